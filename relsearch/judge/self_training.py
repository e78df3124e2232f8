"""A reranker as a judge: its own scores and what is mixed in beside them, as graded labels of a query's pool.

It knows what a judge that reads pairs does not: the search's own scores, in which exact words count, weighed on this
collection. A reranker that learns from its labels takes that into its own scores (self-training).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.protocols import Scorer
from relsearch.core.settings.config import Aim
from relsearch.core.types import Judgment, Pair, Scale
from relsearch.judge.calibration.thresholds import fit_cuts
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.grading import Decision, judgments
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.reranker import Reranker
from relsearch.stats.logistic import Floats, log_odds
from relsearch.stats.ordinal import CumulativeLink, cut


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

    def scores(self, pairs: Iterable[Pair]) -> list[float]:
        """Return the score of each pair, 0 for a query that was not searched."""
        lowest = self._lowest
        return [self._scores.get((pair.query_id, pair.doc_id), lowest.get(pair.query_id, 0.0)) for pair in pairs]


class Ranks:
    """A reranker of pools, and how many texts it did not read to the end."""

    def __init__(self, scorer: CountingScorer, first_stage: FirstStage, mix: Interpolation) -> None:
        self._scorer = scorer
        self._reranker = Reranker(scorer, interpolation=mix)
        self._first_stage = first_stage
        self.truncated = 0

    def logits(self, pairs: Sequence[Pair], advance: Callable[[int], object] = lambda done: done) -> Floats:
        """Return the mixed score of each pair as a logit, shape [pairs]; a query's pairs are mixed together."""
        found = np.zeros(len(pairs))
        by_query = sorted(range(len(pairs)), key=lambda row: pairs[row].query_id)
        for _, group in groupby(by_query, key=lambda row: pairs[row].query_id):
            rows = list(group)
            query, texts = pairs[rows[0]].query, [pairs[row].text for row in rows]
            stage = self._first_stage.scores(pairs[row] for row in rows)
            found[rows] = log_odds(self._reranker.score_pool(query, texts, stage))
            self.truncated += self._scorer.truncated(query, texts)
            advance(len(rows))
        return found


@dataclass(frozen=True, slots=True)
class RerankerJudge:
    """Grades the pairs of a query together, by thresholds on the mixed score.

    `fingerprint` is a hash of the reranker, of what is mixed in, and of the thresholds.
    """

    ranks: Ranks
    link: CumulativeLink
    cuts: tuple[float, ...]
    scale: Scale
    fingerprint: str

    @classmethod
    def fit(
        cls,
        ranks: Ranks,
        pairs: Sequence[Pair],
        grades: Sequence[int | None],
        *,
        scale: Scale,
        aim: Aim,
        seed: int,
        about: str,
    ) -> RerankerJudge:
        """Fit the thresholds on queries that the reranker did not learn from.

        `pairs` are whole pools, grades None where nobody labelled; `about` tells this reranker and its first stage from
        others. Raise DataError where no pair has a grade.
        """
        rows = [row for row, grade in enumerate(grades) if grade is not None]
        if not rows:
            raise DataError("the reranker as judge: no held-out pair has a label; raise [pool] dev_share")
        scores = ranks.logits(pairs)[rows]
        levels = [grade for grade in grades if grade is not None]
        link = CumulativeLink.fit(scores, levels, scale)
        cuts = fit_cuts(scores, levels, [pairs[row].query_id for row in rows], scale, aim=aim, seed=seed)
        fingerprint = fingerprint_of("reranker", about, link, cuts, scale.names, scale.lowest)
        return cls(ranks, link, cuts, scale, fingerprint)

    @property
    def pooled(self) -> bool:
        """Always: a label depends on the query's other pairs."""
        return True

    @property
    def truncated(self) -> int:
        """How many pairs' texts the reranker did not read to the end."""
        return self.ranks.truncated

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs."""
        return judgments(pairs, self._decide, scale=self.scale, fingerprint=self.fingerprint, pooled=self.pooled)

    def _decide(self, pairs: list[Pair], advance: Callable[[int], object]) -> Decision:
        scores = self.ranks.logits(pairs, advance)
        return cut(scores, self.cuts, self.scale), self.link.probabilities(scores)
