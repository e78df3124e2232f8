"""Reranking within a time budget: what is cheap orders all candidates, the cross-encoder reads as many as fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from relsearch.core.protocols import Scorer
from relsearch.rerank.partly import placed
from relsearch.stats.logistic import Logistic

# Where documents have no vector yet, this share of the budget may go into encoding them: without a vector the
# cross-encoder's part of a score is not a score.
_ENCODING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Reranked:
    """What was reached in time of some texts: the scores by place, and all places in the order they were read in."""

    read: Mapping[int, float]
    first: tuple[int, ...]
    elapsed_ms: float

    @property
    def reached(self) -> int:
        """How many texts were read in full."""
        return len(self.read)

    @property
    def order(self) -> tuple[int, ...]:
        """The places, best first."""
        return tuple(each.place for each in placed(self.read, self.first))

    @property
    def scores(self) -> tuple[float, ...]:
        """The scores in that order."""
        return tuple(each.score for each in placed(self.read, self.first))


@runtime_checkable
class BudgetScorer(Scorer, Protocol):
    """A scorer that reranks as many texts as fit into a time."""

    def rerank(self, query: str, texts: Sequence[str], *, budget_ms: float = 50) -> Reranked:
        """Return what is found within about `budget_ms`."""
        ...


class Stages(Protocol):
    """A reranker in two stages, each of which can be stopped; deadlines are of time.perf_counter."""

    @property
    def calibration(self) -> Logistic:
        """The map from the sum of both stages' logits to a probability."""
        ...

    def priors_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """Return the first stage's logit of each place that has one by the deadline."""
        ...

    def residuals_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """Return what the cross-encoder adds at each place, first come first, that is read by the deadline."""
        ...


def rerank_within(stages: Stages, query: str, texts: Sequence[str], *, budget_ms: float) -> Reranked:
    """Order the texts, which come in the order of the search, within about `budget_ms`.

    Where every text has a prior logit, the cross-encoder reads them in the prior's order, and those that it does
    not reach keep their places in that order (relsearch.rerank.partly); else both are the order in which they came.
    """
    started = time.perf_counter()
    deadline = started + budget_ms / 1000
    distinct = list(dict.fromkeys(texts))
    priors = stages.priors_until(query, distinct, started + _ENCODING_SHARE * budget_ms / 1000)
    below = sorted(range(len(distinct)), key=lambda place: -priors[place] if len(priors) == len(distinct) else 0.0)
    first = [place for place in below if place in priors]
    added = stages.residuals_until(query, [distinct[place] for place in first], deadline)
    logits = {distinct[first[turn]]: priors[first[turn]] + residual for turn, residual in added.items()}
    scores = dict(zip(logits, stages.calibration.probabilities(list(logits.values())).tolist(), strict=True))
    turn_of = {distinct[place]: turn for turn, place in enumerate(below)}
    read = {place: scores[text] for place, text in enumerate(texts) if text in scores}
    order = sorted(range(len(texts)), key=lambda place: (turn_of[texts[place]], place))
    return Reranked(read, tuple(order), (time.perf_counter() - started) * 1000)
