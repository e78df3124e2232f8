"""A reranker as a judge: its interpolated scores as graded labels of a query's pool.

Unlike a judge that reads pairs it knows the search's own scores, in which exact words count. A reranker trained on its
labels learns to score so by itself (self-training).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.protocols import Scorer
from relsearch.core.query_pool import QueryPool, pairs_of
from relsearch.core.settings.config import Aim
from relsearch.core.types import Scale
from relsearch.judge.calibration.thresholds import fit_thresholds
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import Advance, Decision, ModelJudge
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.reranker import Reranker
from relsearch.stats.logistic import Floats, log_odds
from relsearch.stats.ordinal import CumulativeLink, grade_scores


@runtime_checkable
class CountingScorer(Scorer, Protocol):
    """A scorer that counts what it does not read to the end."""

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them."""
        ...


class FirstStage:
    """The search's score of each candidate; one that the search did not find counts as its query's lowest."""

    def __init__(self, run: pl.DataFrame) -> None:
        rows = run.select("query_id", "doc_id", "score").iter_rows()
        self._scores: dict[tuple[str, str], float] = {(query, doc): score for query, doc, score in rows}
        self._lowest: dict[str, float] = dict(run.group_by("query_id").agg(pl.col("score").min()).iter_rows())

    def scores(self, pool: QueryPool) -> list[float]:
        """Return the score of each document, 0 for a query that was not searched."""
        lowest = self._lowest.get(pool.query_id, 0.0)
        return [self._scores.get((pool.query_id, doc_id), lowest) for doc_id in pool.doc_ids]


class Ranks:
    """A reranker of pools, and how many texts it did not read to the end."""

    def __init__(self, scorer: CountingScorer, first_stage: FirstStage, mix: Interpolation) -> None:
        self._scorer = scorer
        self._reranker = Reranker(scorer, interpolation=mix)
        self._first_stage = first_stage
        self.truncated = 0

    def logits(self, pools: Sequence[QueryPool], advance: Advance = lambda done: done) -> Floats:
        """Return the interpolated score of each document as a logit, shape [documents], pool by pool."""
        scores: list[float] = []
        for pool in pools:
            scores += self._reranker.score_pool(pool.query, pool.texts, self._first_stage.scores(pool))
            self.truncated += self._scorer.truncated(pool.query, pool.texts)
            advance(len(pool))
        return log_odds(scores)


class RerankerJudge(ModelJudge):
    """Grades a query's documents relative to each other, by thresholds on the interpolated score.

    `about` tells this reranker and its first stage from others; with the calibration it makes the fingerprint.
    """

    def __init__(
        self,
        ranks: Ranks,
        link: CumulativeLink,
        thresholds: tuple[float, ...],
        *,
        scale: Scale,
        about: str,
        by_query: Mapping[str, Ranks],
    ) -> None:
        super().__init__(
            fingerprint=fingerprint_of("reranker", about, link, thresholds, scale.names, scale.lowest), scale=scale
        )
        self._ranks = ranks
        self._by_query = by_query
        self._link = link
        self._thresholds = thresholds

    @classmethod
    def fit(
        cls,
        ranks: Ranks,
        pools: Sequence[QueryPool],
        grades: Sequence[int | None],
        *,
        scale: Scale,
        aim: Aim,
        seed: int,
        about: str,
        by_query: Mapping[str, Ranks] = MappingProxyType({}),
    ) -> RerankerJudge:
        """Fit the calibration on whole pools of queries that the reranker did not learn from.

        `grades` has one entry per document, pool by pool, None where nobody labelled it; `by_query` has the rerankers
        of queries that `ranks` learnt from and these did not. Raise DataError where no document has a grade.
        """
        rows = [row for row, grade in enumerate(grades) if grade is not None]
        if not rows:
            raise DataError("the reranker as judge: no held-out pair has a label; raise [pool] dev_share")
        scores = _logits(pools, ranks, by_query)[rows]
        levels = [grade for grade in grades if grade is not None]
        query_ids = [pair.query_id for pair in pairs_of(pools)]
        link = CumulativeLink.fit(scores, levels, scale)
        thresholds = fit_thresholds(scores, levels, [query_ids[row] for row in rows], scale, aim=aim, seed=seed)
        return cls(ranks, link, thresholds, scale=scale, about=about, by_query=by_query)

    @property
    def truncated(self) -> int:
        """How many documents the rerankers have not read to the end so far."""
        return sum(ranks.truncated for ranks in {self._ranks, *self._by_query.values()})

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return all rows: scores are interpolated over the pool."""
        return range(len(pool))

    def _decide(self, pools: Sequence[QueryPool], advance: Advance) -> Decision:
        scores = _logits(pools, self._ranks, self._by_query, advance)
        return grade_scores(scores, self._thresholds, self.scale), self._link.probabilities(scores)


def _logits(
    pools: Sequence[QueryPool], ranks: Ranks, by_query: Mapping[str, Ranks], advance: Advance = lambda done: done
) -> Floats:
    """The interpolated scores of all pools, each by its query's reranker."""
    return np.concatenate([by_query.get(pool.query_id, ranks).logits([pool], advance) for pool in pools])
