"""What retrieval already knows of a pair: the cosine of a dense encoder, alone and beside the query's other pairs.

Every encoder gives every column: two that were trained on other data know more than either.
The pool of a query is its pairs in one call, so give them together. A judge that reads pool columns gives another
label when the pool changes, and its labels are kept under a key that holds the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relsearch.core.settings.config import EncoderConfig, RetrievalFeature
from relsearch.core.types import Pair, Scale
from relsearch.encoders.encoder import Encoder
from relsearch.encoders.prf import leave_one_out_mean, standardise
from relsearch.judge.calibration.blend import Blend

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike queries and texts are by one encoder, shape [pairs] each.

    `feedback` is the cosine with the query moved towards the pool's best, 0.5 each (encoders/prf.py). `contrast` is
    how much more like the pool's best a text is than like the pool in the mean; 0 for one alone.
    """

    cosine: Floats
    feedback: Floats
    contrast: Floats

    @classmethod
    def by(cls, encoder: Encoder, pairs: Sequence[Pair]) -> Similarity:
        """Compute all; each distinct text is encoded once."""
        queries, texts = (rows.astype(np.float64) for rows in encoder.vectors(pairs))
        cosine = np.einsum("nd,nd->n", queries, texts)
        feedback, contrast = np.zeros_like(cosine), np.zeros_like(cosine)
        for rows in _pools(pairs):
            pool = texts[rows]
            best, every = leave_one_out_mean(pool, cosine[rows]), leave_one_out_mean(pool, np.zeros(len(rows)))
            moved = queries[rows] + best
            feedback[rows] = np.einsum("nd,nd->n", pool, moved) / np.linalg.norm(moved, axis=1)
            contrast[rows] = np.einsum("nd,nd->n", pool, best - every)
        return cls(cosine, feedback, contrast)

    def of(self, rows: Sequence[int]) -> Similarity:
        """Return these rows."""
        return Similarity(self.cosine[rows], self.feedback[rows], self.contrast[rows])


Similarities = Mapping[EncoderConfig, Similarity]


def similarities(pairs: Sequence[Pair], encoders: Iterable[Encoder]) -> Similarities:
    """Return the pairs' similarity by each distinct encoder; of two alike only one encodes."""
    distinct = {encoder.config: encoder for encoder in encoders}
    return {config: Similarity.by(encoder, pairs) for config, encoder in distinct.items()}


def columns_of(
    pairs: Sequence[Pair],
    encoders: Sequence[Encoder],
    names: Sequence[RetrievalFeature],
    known: Similarities | None = None,
) -> Floats:
    """Return the named columns by one encoder after the other, shape [pairs, encoders x columns].

    `known` are these pairs' similarities where they were computed already.
    """
    if not names:
        return np.zeros((len(pairs), 0))
    found = similarities(pairs, encoders) if known is None else known
    values = np.zeros((len(pairs), len(encoders), len(names)))
    for rows in _pools(pairs):
        for place, encoder in enumerate(encoders):
            pool = found[encoder.config].of(rows)
            values[rows, place] = np.column_stack([_COLUMNS[name](pool) for name in names])
    return values.reshape(len(pairs), -1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence as one score a pair: fitted columns over one or more encoders."""

    encoders: Sequence[Encoder]
    names: Sequence[RetrievalFeature]
    blend: Blend

    @classmethod
    def fit(
        cls,
        pairs: Sequence[Pair],
        grades: Sequence[int],
        *,
        encoders: Sequence[Encoder],
        names: Sequence[RetrievalFeature],
        scale: Scale,
    ) -> tuple[Evidence, Floats]:
        """Return evidence fitted on all labelled pairs, and the score of each of them."""
        values = columns_of(pairs, encoders, names)
        columns = [name if not place else f"{name}:{place + 1}" for place in range(len(encoders)) for name in names]
        blend = Blend.fit(columns, values, grades, scale)
        return cls(encoders, names, blend), blend.scores(values)

    @property
    def pooled(self) -> bool:
        """Whether a pair's score depends on the query's other pairs."""
        return bool(set(self.names) - {"cosine"})

    @property
    def needed(self) -> Sequence[Encoder]:
        """The encoders that a score needs: none where there is no evidence."""
        return self.encoders if self.names else ()

    def scores(self, pairs: Sequence[Pair], known: Similarities | None = None) -> Floats:
        """Return the evidence of each pair, shape [pairs]; `known` are their similarities if computed already."""
        return self.blend.scores(columns_of(pairs, self.encoders, self.names, known))


def _pools(pairs: Sequence[Pair]) -> list[list[int]]:
    rows: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        rows.setdefault(pair.query, []).append(row)
    return list(rows.values())


_COLUMNS: dict[RetrievalFeature, Callable[[Similarity], Floats]] = {
    "cosine": lambda pool: pool.cosine,
    "cosine_feedback": lambda pool: pool.feedback,
    "cosine_contrast": lambda pool: pool.contrast,
    "cosine_z": lambda pool: standardise(pool.cosine),
}
