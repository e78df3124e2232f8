"""Reranking within a time budget: what is cheap orders all candidates, the cross-encoder reads as many as fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relsearch.stats.logistic import Logistic

# Where documents have no vector yet, this share of the budget may go into encoding them: without a vector the
# cross-encoder's part of a score is not a score.
_ENCODING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Reranked:
    """Places of the texts, best first, their scores in that order, and how many of the first were read in full."""

    order: tuple[int, ...]
    scores: tuple[float, ...]
    reached: int
    elapsed_ms: float


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
    not reach follow in that order; else both are the order in which they came. Their scores go on decreasing below the
    lowest that was reached, so that the order of scores is the order.
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
    return _placed(texts, scores, {distinct[place]: turn for turn, place in enumerate(below)}, started)


def scores_below(lowest: float, count: int) -> list[float]:
    """Return `count` decreasing scores in (0, lowest) for candidates below the lowest reranked one."""
    return [lowest / (2 + turn) for turn in range(count)]


def _placed(texts: Sequence[str], scores: Mapping[str, float], below: Mapping[str, int], started: float) -> Reranked:
    reached = sorted(
        (place for place, text in enumerate(texts) if text in scores), key=lambda place: (-scores[texts[place]], place)
    )
    rest = sorted(
        (place for place, text in enumerate(texts) if text not in scores),
        key=lambda place: (below[texts[place]], place),
    )
    lowest = min(scores.values(), default=1.0)
    placed = [scores[texts[place]] for place in reached] + scores_below(lowest, len(rest))
    elapsed_ms = (time.perf_counter() - started) * 1000
    return Reranked((*reached, *rest), tuple(placed), len(reached), elapsed_ms)
