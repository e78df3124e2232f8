"""A ridge regression of grades on a model's features: what a judge learns of an LLM that is not tuned.

It predicts each query's grades from the others' at several strengths; the strength whose predictions follow the grades
best within a query is taken, and the predictions say how much the regression counts beside the retrieval features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import DataError
from relsearch.core.types import Scale
from relsearch.judge.calibration.blend import Blend
from relsearch.stats.dealing import dealt
from relsearch.stats.deviation import standard_deviation

Floats = NDArray[np.float64]

_STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # times the pairs
_FOLDS = 5
_LEAST_PRIOR = 0.1  # of the states' weight: a prior that tells nothing beside them must not take them away


def weights(
    features: Floats, known: Floats, grades: Sequence[int], query_ids: Sequence[str], scale: Scale, *, seed: int
) -> Floats:
    """Return what each feature adds to the prior's logits, shape [width]; zeros where they tell nothing more.

    Features are [n, width], `known` the prior's logits [n]. Raise DataError where the pairs are of a single query.
    """
    queries, levels = np.asarray(query_ids), np.asarray(grades, dtype=np.float64)
    mean, deviation = features.mean(axis=0), standard_deviation(features)
    rows = (features - mean) / np.where(deviation > 0, deviation, 1.0)
    folds = dealt(set(queries.tolist()), min(_FOLDS, len(set(queries.tolist()))), seed=seed)
    if len(folds) < 2:
        raise DataError("tune: a regression on states needs human labels of two queries or more; label another one")
    left_out = np.zeros((len(_STRENGTHS), len(rows)))
    for fold in folds:
        out = np.isin(queries, sorted(fold))
        left_out[:, out] = _ridge(rows[~out], levels[~out]) @ rows[out].T + levels[~out].mean()
    within = _centred(levels, queries)
    best = int(np.argmax([_correlation(_centred(each, queries), within) for each in left_out]))
    blend = Blend.fit(("prior", "states"), np.column_stack([known, left_out[best]]), grades, scale)
    least = _LEAST_PRIOR * blend.weights[1]
    prior, states = np.array([max(blend.weights[0], least), blend.weights[1]]) / blend.deviations
    if states <= 0:
        return np.zeros(features.shape[1])
    found = _ridge(rows, levels)[best] / np.where(deviation > 0, deviation, 1.0)
    return np.asarray(states / prior * found)


def _ridge(rows: Floats, levels: Floats) -> Floats:
    """The weights of each strength, shape [strengths, width]."""
    from scipy.linalg import solve

    kernel, target, every = rows @ rows.T, levels - levels.mean(), np.eye(len(rows))
    return np.stack(
        [rows.T @ solve(kernel + strength * len(rows) * every, target, assume_a="pos") for strength in _STRENGTHS]
    )


def _correlation(mine: Floats, other: Floats) -> float:
    """The correlation of values with mean 0; 0 where one of them does not vary."""
    size = float(np.linalg.norm(mine) * np.linalg.norm(other))
    return float(mine @ other) / size if size > 0 else 0.0


def _centred(values: Floats, queries: NDArray[np.str_]) -> Floats:
    """The values without their query's mean."""
    _, places, counts = np.unique(queries, return_inverse=True, return_counts=True)
    return np.asarray(values - (np.bincount(places, weights=values) / counts)[places])
