"""What the search and an untrained encoder say of a pair, weighed on people's labels.

Nothing is trained but a weight a column, so that a few labelled queries are enough, and scores on them are no better
than on others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from relsearch.config import EvidenceColumn
from relsearch.encoder import Encoder
from relsearch.feedback import standard
from relsearch.judge.blend import Blend, Floats
from relsearch.judge.evidence import columns_of, pools_of
from relsearch.types import Pair, Scale


class FirstStage:
    """The search's score of each candidate; one that the search did not find counts as its query's lowest."""

    def __init__(self, run: pl.DataFrame) -> None:
        rows = run.select("query_id", "doc_id", "score").iter_rows()
        self._scores: dict[tuple[str, str], float] = {(query, doc): score for query, doc, score in rows}
        self._lowest: dict[str, float] = dict(run.group_by("query_id").agg(pl.col("score").min()).iter_rows())

    def scores(self, pairs: Iterable[Pair]) -> list[float]:
        """Return the score of each pair, 0 for a query that was not searched."""
        lowest = self._lowest
        return [self._scores.get((pair.query_id, pair.doc_id), lowest.get(pair.query_id, 0.0)) for pair in pairs]


@dataclass(frozen=True, slots=True)
class SearchEvidence:
    """Columns of an encoder, and how far the search's score stands out of its query's, as one score a pair."""

    encoder: Encoder
    first_stage: FirstStage
    names: Sequence[EvidenceColumn]
    blend: Blend

    @classmethod
    def fit(
        cls,
        encoder: Encoder,
        first_stage: FirstStage,
        names: Sequence[EvidenceColumn],
        pairs: Sequence[Pair],
        grades: Sequence[int | None],
        *,
        scale: Scale,
    ) -> SearchEvidence:
        """Weigh the columns on whole pools, grades None where nobody labelled; raise DataError where none has one."""
        values = _columns(encoder, first_stage, names, pairs)
        rows = [row for row, grade in enumerate(grades) if grade is not None]
        levels = [grade for grade in grades if grade is not None]
        return cls(encoder, first_stage, names, Blend.fit([*names, "search"], values[rows], levels, scale, signed=True))

    def scores(self, pairs: Sequence[Pair]) -> Floats:
        """Return the score of each pair, shape [pairs]; a query's pairs are compared with one another."""
        return self.blend.scores(_columns(self.encoder, self.first_stage, self.names, pairs))


def _columns(
    encoder: Encoder, first_stage: FirstStage, names: Sequence[EvidenceColumn], pairs: Sequence[Pair]
) -> Floats:
    search = np.array(first_stage.scores(pairs), dtype=np.float64)
    for rows in pools_of(pairs):
        search[rows] = standard(search[rows])
    return np.column_stack([columns_of(pairs, [encoder], names), search])
