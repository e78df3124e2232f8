"""What retrieval already knows of a pair: the cosine of a dense encoder, alone and against the query's other pairs.

The pool of a query is its pairs in one call, so give them together. A judge that reads pool columns gives another
label when the pool changes, and its labels are kept under a key that holds the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relsearch.config import EvidenceColumn
from relsearch.encoder import Encoder
from relsearch.judge.blend import Blend
from relsearch.types import Pair, Scale

Floats = NDArray[np.float64]
_TOP = 3


def columns_of(pairs: Sequence[Pair], encoder: Encoder, names: Sequence[EvidenceColumn]) -> Floats:
    """Return the named columns of each pair, shape [pairs, names]."""
    values = np.zeros((len(pairs), len(names)))
    if not names:
        return values
    cosines = encoder.cosines(pairs).astype(np.float64)
    for rows in _pools(pairs):
        for column, name in enumerate(names):
            values[rows, column] = _COLUMNS[name](cosines[rows])
    return values


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence as one score a pair: fitted columns over an encoder."""

    encoder: Encoder
    blend: Blend

    @classmethod
    def fit(
        cls,
        pairs: Sequence[Pair],
        grades: Sequence[int],
        *,
        encoder: Encoder,
        names: Sequence[EvidenceColumn],
        scale: Scale,
    ) -> tuple[Evidence, Floats]:
        """Return evidence fitted on all labelled pairs, and the score of each of them."""
        values = columns_of(pairs, encoder, names)
        blend = Blend.fit(names, values, grades, scale)
        return cls(encoder, blend), blend.scores(values)

    @property
    def pooled(self) -> bool:
        """Whether a pair's score depends on the query's other pairs."""
        return bool(set(self.blend.columns) - {"cosine"})

    def scores(self, pairs: Sequence[Pair]) -> Floats:
        """Return the evidence of each pair, shape [pairs]."""
        names: Sequence[EvidenceColumn] = self.blend.columns  # type: ignore[assignment]  # read back from a card
        return self.blend.scores(columns_of(pairs, self.encoder, names))


def _pools(pairs: Sequence[Pair]) -> list[list[int]]:
    rows: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        rows.setdefault(pair.query, []).append(row)
    return list(rows.values())


def _gap(cosines: Floats) -> Floats:
    """How far each pair is below the mean of its pool's three best."""
    return np.asarray(cosines - np.sort(cosines)[-_TOP:].mean())


def _z(cosines: Floats) -> Floats:
    return np.asarray((cosines - cosines.mean()) / (cosines.std() or 1.0))


def _rank(cosines: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(-np.log(rankdata(-cosines)))


_COLUMNS: dict[EvidenceColumn, Callable[[Floats], Floats]] = {
    "cosine": lambda cosines: cosines,
    "cosine_gap": _gap,
    "cosine_z": _z,
    "cosine_rank": _rank,
}
