"""What retrieval already knows of a pair: the cosine of a dense encoder, alone and against the query's other pairs.

Further encoders add their plain cosine: two that were trained on other data know more than either.
The pool of a query is its pairs in one call, so give them together. A judge that reads pool columns gives another
label when the pool changes, and its labels are kept under a key that holds the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relsearch.config import EncoderConfig, EvidenceColumn
from relsearch.encoder import Encoder, Vectors
from relsearch.judge.blend import Blend
from relsearch.types import Pair, Scale

Floats = NDArray[np.float64]
_TOP = 3


Cosines = Mapping[EncoderConfig, Vectors]


def cosines_of(pairs: Sequence[Pair], encoders: Iterable[Encoder]) -> Cosines:
    """Return the pairs' cosines by each distinct encoder, shape [pairs] each; of two alike only one encodes."""
    distinct = {encoder.config: encoder for encoder in encoders}
    return {config: encoder.cosines(pairs) for config, encoder in distinct.items()}


def columns_of(
    pairs: Sequence[Pair],
    encoders: Sequence[Encoder],
    names: Sequence[EvidenceColumn],
    cosines: Cosines | None = None,
) -> Floats:
    """Return the named columns by the first encoder, then the others' cosines, shape [pairs, columns].

    `cosines` are these pairs' where they are known already.
    """
    if not names:
        return np.zeros((len(pairs), 0))
    known = cosines_of(pairs, encoders) if cosines is None else cosines
    values = np.zeros((len(pairs), len(names)))
    first, *others = [known[encoder.config].astype(np.float64) for encoder in encoders]
    for rows in _pools(pairs):
        for column, name in enumerate(names):
            values[rows, column] = _COLUMNS[name](first[rows])
    return np.column_stack([values, *others])


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence as one score a pair: fitted columns over one or more encoders."""

    encoders: Sequence[Encoder]
    names: Sequence[EvidenceColumn]
    blend: Blend

    @classmethod
    def fit(
        cls,
        pairs: Sequence[Pair],
        grades: Sequence[int],
        *,
        encoders: Sequence[Encoder],
        names: Sequence[EvidenceColumn],
        scale: Scale,
    ) -> tuple[Evidence, Floats]:
        """Return evidence fitted on all labelled pairs, and the score of each of them."""
        values = columns_of(pairs, encoders, names)
        others = [f"cosine:{place}" for place in range(2, len(encoders) + 1)] if names else []
        blend = Blend.fit([*names, *others], values, grades, scale)
        return cls(encoders, names, blend), blend.scores(values)

    @property
    def pooled(self) -> bool:
        """Whether a pair's score depends on the query's other pairs."""
        return bool(set(self.names) - {"cosine"})

    @property
    def needed(self) -> Sequence[Encoder]:
        """The encoders that a score needs: none where there is no evidence."""
        return self.encoders if self.names else ()

    def scores(self, pairs: Sequence[Pair], cosines: Cosines | None = None) -> Floats:
        """Return the evidence of each pair, shape [pairs]; `cosines` are these pairs' where they are known already."""
        return self.blend.scores(columns_of(pairs, self.encoders, self.names, cosines))


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
