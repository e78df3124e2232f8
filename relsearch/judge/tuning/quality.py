"""How well scores follow human grades: to choose an adapter, and to compare it with the retrieval features alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relsearch.core.types import Scale
from relsearch.stats.ordinal import CumulativeLink, grade_scores, matching_thresholds


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one score on labelled pairs; None where the labels do not define one.

    `log_likelihood` is per pair, under a cumulative link fitted to these very scores, uses every grade and is the least
    noisy. Kappas are of grades at the human frequencies, so slightly kind. AUCs are for grade >= relevant.
    """

    log_likelihood: float
    kappa: float | None
    kappa_binary: float | None
    auc: float | None
    within_query_auc: float | None

    def to_json(self) -> dict[str, float | None]:
        """Return the figures by name."""
        return asdict(self)


def quality(scores: ArrayLike, grades: Sequence[int], query_ids: Sequence[str], scale: Scale) -> Quality:
    """Measure the scores against human grades of the same pairs."""
    values, human = np.asarray(scores, dtype=np.float64), np.asarray(grades, dtype=np.int64)
    rows = CumulativeLink.fit(values, human, scale).probabilities(values)
    chosen = rows[np.arange(len(human)), human - scale.lowest]
    judged = grade_scores(values, matching_thresholds(values, human, scale), scale)
    relevant = human >= scale.relevant
    return Quality(
        log_likelihood=float(np.log(chosen).mean()),
        kappa=_kappa(human, judged),
        kappa_binary=_kappa(relevant, judged >= scale.relevant),
        auc=_auc(values, relevant),
        within_query_auc=_within(values, relevant, query_ids),
    )


def _kappa(human: NDArray[np.generic], judged: NDArray[np.generic]) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(human, judged)) if len(np.unique(human)) > 1 else None


def _within(values: NDArray[np.float64], relevant: NDArray[np.bool_], query_ids: Sequence[str]) -> float | None:
    """The mean AUC of the queries that have both relevant and irrelevant pairs."""
    names = np.asarray(query_ids)
    aucs = [_auc(values[names == name], relevant[names == name]) for name in sorted(set(query_ids))]
    defined = [auc for auc in aucs if auc is not None]
    return float(np.mean(defined)) if defined else None


def _auc(values: NDArray[np.float64], relevant: NDArray[np.bool_]) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(relevant, values)) if 0 < relevant.sum() < len(relevant) else None
