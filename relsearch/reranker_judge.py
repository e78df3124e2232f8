"""A reranker as a judge: its scores, and what search and untrained encoder say, as graded labels of a query's pool.

It knows what a judge that reads pairs does not: the search's own scores, in which exact words count, weighed on this
collection. A reranker that learns from its labels takes that into its own scores (self-training).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np

from relsearch.config import Aim
from relsearch.errors import DataError
from relsearch.judge.calibrate import fit_cuts
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.grading import Decision, judgments
from relsearch.ordinal import CumulativeLink, cut
from relsearch.protocols import Scorer
from relsearch.rerank.logistic import Floats, log_odds
from relsearch.rerank.mix import Mix, mixed_scores
from relsearch.search_evidence import FirstStage, SearchEvidence
from relsearch.types import Judgment, Pair, Scale


class Reranker(Scorer, Protocol):
    """A scorer that counts what it does not read to the end."""

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them."""
        ...


class Ranks:
    """A reranker, what is mixed in, and how many texts it did not read to the end."""

    def __init__(self, reranker: Reranker, first_stage: FirstStage, mix: Mix) -> None:
        self._reranker = reranker
        self._first_stage = first_stage
        self._mix = mix
        self.truncated = 0

    def logits(self, pairs: Sequence[Pair], advance: Callable[[int], object] = lambda done: done) -> Floats:
        """Return the mixed score of each pair as a logit, shape [pairs]; a query's pairs are mixed together."""
        found = np.zeros(len(pairs))
        by_query = sorted(range(len(pairs)), key=lambda row: pairs[row].query_id)
        for _, group in groupby(by_query, key=lambda row: pairs[row].query_id):
            rows = list(group)
            query, texts = pairs[rows[0]].query, [pairs[row].text for row in rows]
            stage = self._first_stage.scores(pairs[row] for row in rows)
            found[rows] = log_odds(mixed_scores(self._reranker, query, texts, stage, self._mix))
            self.truncated += self._reranker.truncated(query, texts)
            advance(len(rows))
        return found


@dataclass(frozen=True, slots=True)
class RerankerJudge:
    """Grades the pairs of a query together, by thresholds on the sum of the mixed score and the evidence.

    Both count alike, each in its `spreads`, standard deviations of held-out pools. `fingerprint` is a hash of the
    reranker, of what is mixed in, of the evidence and of the thresholds.
    """

    ranks: Ranks
    evidence: SearchEvidence
    spreads: tuple[float, float]
    link: CumulativeLink
    cuts: tuple[float, ...]
    scale: Scale
    fingerprint: str

    @classmethod
    def fit(
        cls,
        ranks: Ranks,
        evidence: SearchEvidence,
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
        parts = ranks.logits(pairs), evidence.scores(pairs)
        spreads = float(parts[0].std()) or 1.0, float(parts[1].std()) or 1.0
        scores = _sum(parts, spreads)[rows]
        levels = [grade for grade in grades if grade is not None]
        link = CumulativeLink.fit(scores, levels, scale)
        cuts = fit_cuts(scores, levels, [pairs[row].query_id for row in rows], scale, aim=aim, seed=seed)
        fingerprint = fingerprint_of("reranker", about, evidence.blend, spreads, link, cuts, scale.names, scale.lowest)
        return cls(ranks, evidence, spreads, link, cuts, scale, fingerprint)

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
        scores = _sum((self.ranks.logits(pairs, advance), self.evidence.scores(pairs)), self.spreads)
        return cut(scores, self.cuts, self.scale), self.link.probabilities(scores)


def _sum(parts: tuple[Floats, Floats], spreads: tuple[float, float]) -> Floats:
    return np.asarray(parts[0] / spreads[0] + parts[1] / spreads[1])
