"""What retrieval knows of a document: cosines with the query, alone and relative to the query's other documents.

Every encoder gives every column: two that were trained on other data know more than either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relsearch.core.query_pool import QueryPool, pairs_of
from relsearch.core.settings.config import EncoderConfig, RetrievalFeature
from relsearch.core.types import Pair, Scale
from relsearch.encoders.prf import leave_one_out_mean, standardise
from relsearch.judge.calibration.blend import Blend

Floats = NDArray[np.float64]


class TextEncoder(Protocol):
    """An encoder of queries and documents, in torch or as an ONNX graph."""

    @property
    def config(self) -> EncoderConfig:
        """The model and how it reads queries and documents."""
        ...

    def vectors(self, pairs: Sequence[Pair]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the L2-normalised vectors of each pair's query and text, shape [pairs, dimension] each."""
        ...


@dataclass(frozen=True, slots=True)
class RetrievalFeatures:
    """One score per document, from fitted columns over one or more encoders."""

    encoders: Sequence[TextEncoder]
    names: Sequence[RetrievalFeature]
    blend: Blend

    @classmethod
    def fit(
        cls,
        pools: Sequence[QueryPool],
        grades: Sequence[int],
        *,
        encoders: Sequence[TextEncoder],
        names: Sequence[RetrievalFeature],
        scale: Scale,
    ) -> tuple[RetrievalFeatures, Floats]:
        """Return the features fitted on labelled documents, and the score of each of them, pool by pool."""
        values = columns_of(pools, encoders, names)
        columns = [name if not place else f"{name}:{place + 1}" for place in range(len(encoders)) for name in names]
        blend = Blend.fit(columns, values, grades, scale)
        return cls(encoders, names, blend), blend.scores(values)

    @property
    def depend_on_pool(self) -> bool:
        """Whether a document's score depends on the query's other documents."""
        return bool(set(self.names) - {"cosine"})

    def scores(self, pools: Sequence[QueryPool]) -> Floats:
        """Return the score of each document, shape [documents], pool by pool."""
        return self.blend.scores(columns_of(pools, self.encoders, self.names))


def columns_of(
    pools: Sequence[QueryPool], encoders: Sequence[TextEncoder], names: Sequence[RetrievalFeature]
) -> Floats:
    """Return the named columns by one encoder after the other, shape [documents, encoders x columns], pool by pool.

    Each encoder reads each distinct text of all pools once.
    """
    pairs = pairs_of(pools)
    values = np.zeros((len(pairs), len(encoders), len(names)))
    for place, encoder in enumerate(encoders if names else ()):
        queries, texts = (rows.astype(np.float64) for rows in encoder.vectors(pairs))
        cosines = np.einsum("nd,nd->n", queries, texts)
        start = 0
        for pool in pools:
            rows = slice(start, start + len(pool))
            if len(pool):
                vectors = _PoolVectors(queries[rows], texts[rows], cosines[rows])
                values[rows, place] = np.column_stack([_COLUMNS[name](vectors) for name in names])
            start = rows.stop
    return values.reshape(len(pairs), len(encoders) * len(names))


@dataclass(frozen=True, slots=True)
class _PoolVectors:
    """The vectors of one pool: the query's, repeated, and the documents', shape [n, dimension]; their cosines [n]."""

    queries: Floats
    texts: Floats
    cosines: Floats


def _feedback(pool: _PoolVectors) -> Floats:
    """The cosine with the query moved towards the pool's best, 0.5 each (encoders/prf.py)."""
    moved = pool.queries + leave_one_out_mean(pool.texts, pool.cosines)
    return np.asarray(np.einsum("nd,nd->n", pool.texts, moved) / np.linalg.norm(moved, axis=1))


def _contrast(pool: _PoolVectors) -> Floats:
    """How much more like the pool's best a text is than like the pool's mean; 0 for one alone."""
    best, every = (
        leave_one_out_mean(pool.texts, pool.cosines),
        leave_one_out_mean(pool.texts, np.zeros(len(pool.texts))),
    )
    return np.asarray(np.einsum("nd,nd->n", pool.texts, best - every))


_COLUMNS: dict[RetrievalFeature, Callable[[_PoolVectors], Floats]] = {
    "cosine": lambda pool: pool.cosines,
    "cosine_feedback": _feedback,
    "cosine_contrast": _contrast,
    "cosine_z": lambda pool: standardise(pool.cosines),
}
