"""What counts beside a reranker's own scores: the first stage's, and what the best candidates have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.protocols import Scorer
from relsearch.encoders.prf import others_mean, standard
from relsearch.stats.logistic import Logistic, log_odds

Vectors = NDArray[np.floating[Any]]


@runtime_checkable
class PooledScorer(Scorer, Protocol):
    """A scorer that knows a vector of each document: late interaction."""

    def pooled_vectors(self, texts: Sequence[str]) -> Vectors:
        """Return one row a text; those scored last are not read again."""
        ...


@dataclass(frozen=True, slots=True)
class Mix:
    """How much each counts, in standard deviations of a query's own logits; raise ConfigError for no weight.

    `first_stage` weighs the search's own scores: words that match exactly are evidence that an encoder blurs.
    `feedback` weighs how like a candidate is to those that score best (relsearch.encoders.prf).
    """

    first_stage: float = 0.0
    feedback: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in (("mix", self.first_stage), ("feedback", self.feedback)):
            if not (math.isfinite(weight) and weight >= 0):
                raise ConfigError(f"{name} {weight}: give a weight of 0 or more, such as 0.2")

    def but(self, *, first_stage: float | None = None, feedback: float | None = None) -> Mix:
        """Return these weights with those that are given in their place."""
        return Mix(
            self.first_stage if first_stage is None else first_stage,
            self.feedback if feedback is None else feedback,
        )


NOTHING = Mix()


def vectors_of(scorer: Scorer, texts: Sequence[str], mix: Mix) -> Callable[[], Vectors] | None:
    """Return what gives the texts' vectors, None where no feedback is asked for.

    Raise ConfigError where a cross-encoder is asked for feedback.
    """
    if not mix.feedback:
        return None
    if not isinstance(scorer, PooledScorer):
        raise ConfigError("feedback: a cross-encoder has no vectors of documents; leave it at 0")
    return lambda: scorer.pooled_vectors(texts)


def mixed(
    scores: Sequence[float],
    first_stage: Sequence[float],
    mix: Mix,
    *,
    vectors: Callable[[], Vectors] | None = None,
) -> list[float]:
    """Return scores in (0, 1), one a candidate of one query, in which what `mix` names counts as well.

    Everything counts by how far it lies from the mean of this query's candidates, in standard deviations, on the
    logits' scale: average candidates keep the reranker's score. Raise ValueError where lengths differ, DataError where
    a first-stage score that counts is NaN.
    """
    if len(scores) != len(first_stage):
        raise ValueError(f"{len(scores)} scores for {len(first_stage)} first-stage scores")
    if mix == NOTHING or not scores:
        return list(scores)
    moved = logits = log_odds(scores)
    spread = logits.std()
    if mix.first_stage:
        stage = np.asarray(first_stage, dtype=np.float64)
        if not np.isfinite(stage).all():
            raise DataError("a first-stage score is NaN or infinite; mend the run, or rerank with mix 0")
        moved = logits + mix.first_stage * spread * standard(stage)
    if vectors is not None:
        rows = vectors()
        likeness = np.einsum("nh,nh->n", rows, others_mean(rows, moved))
        moved = moved + mix.feedback * spread * standard(likeness)
    found: list[float] = Logistic().probabilities(moved).tolist()
    return found
