"""Score interpolation: a reranker's scores with the first stage's, and with pseudo-relevance feedback (PRF)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.protocols import Scorer
from relsearch.encoders.prf import leave_one_out_mean, standardise
from relsearch.stats.logistic import Logistic, log_odds

Vectors = NDArray[np.floating[Any]]
# The best of 0.2, 0.6 and 1 on the mean of five collections, for 10 to 50 read of 100 (benchmarks.rerankers.reads): 1
# costs TREC DL 0.02, 0.2 costs scifact as much.
_WEIGHT_OF_FEW = 0.6


@runtime_checkable
class HasVectors(Scorer, Protocol):
    """A scorer that has one vector of each document: late interaction."""

    def mean_vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the mean vector of each text, shape [n, h]; those scored last are not encoded again."""
        ...


@dataclass(frozen=True, slots=True)
class Interpolation:
    """The weights of score interpolation, in standard deviations of a query's own logits.

    `first_stage` weighs the first stage's scores: exact matches of words, which an encoder blurs. `prf` weighs a
    candidate's likeness to those with the best scores (relsearch.encoders.prf). Raise ConfigError for a weight that is
    negative or not finite.
    """

    first_stage: float = 0.0
    prf: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in (("mix", self.first_stage), ("prf", self.prf)):
            if not (math.isfinite(weight) and weight >= 0):
                raise ConfigError(f"{name} {weight}: give a weight of 0 or more, such as 0.2")

    def replace(self, *, first_stage: float | None = None, prf: float | None = None) -> Interpolation:
        """Return the same with the weights that are given."""
        return Interpolation(
            self.first_stage if first_stage is None else first_stage,
            self.prf if prf is None else prf,
        )

    def partly_read(self, share: float) -> Interpolation:
        """Return the weights for candidates of which only a share, in (0, 1], was read.

        The first stage's weight falls from 0.6 where hardly any was read to its own where all were: a few candidates
        say little of how the reranker's scores spread, and its mistakes among them are not made good by others.
        """
        few = max(self.first_stage, _WEIGHT_OF_FEW)
        return self.replace(first_stage=share * self.first_stage + (1 - share) * few)

    def interpolate(
        self,
        scores: Sequence[float],
        first_stage: Sequence[float],
        *,
        vectors: Callable[[], Vectors] | None = None,
    ) -> list[float]:
        """Return the interpolated score of each candidate of one query, in (0, 1).

        Logits, first-stage scores and likenesses are standardised over the query's candidates, so an average candidate
        keeps the reranker's score. `vectors` returns the candidates' vectors, shape [n, h]; without it, or without a
        weight, PRF adds nothing. Raise ValueError where lengths differ, DataError where a first-stage score with a
        weight is not finite.
        """
        if len(scores) != len(first_stage):
            raise ValueError(f"{len(scores)} scores for {len(first_stage)} first-stage scores")
        if self == NO_INTERPOLATION or not scores:
            return list(scores)
        moved = logits = log_odds(scores)
        spread = logits.std()
        if self.first_stage:
            stage = np.asarray(first_stage, dtype=np.float64)
            if not np.isfinite(stage).all():
                raise DataError("a first-stage score is NaN or infinite; mend the run, or rerank with mix 0")
            moved = logits + self.first_stage * spread * standardise(stage)
        if vectors is not None:
            rows = vectors()
            likeness = np.einsum("nh,nh->n", rows, leave_one_out_mean(rows, moved))
            moved = moved + self.prf * spread * standardise(likeness)
        found: list[float] = Logistic().probabilities(moved).tolist()
        return found


NO_INTERPOLATION = Interpolation()


def prf_vectors(scorer: Scorer, texts: Sequence[str], interpolation: Interpolation) -> Callable[[], Vectors] | None:
    """Return what computes the texts' vectors, None where PRF has no weight.

    Raise ConfigError where a cross-encoder is to use PRF.
    """
    if not interpolation.prf:
        return None
    if not isinstance(scorer, HasVectors):
        raise ConfigError("prf: a cross-encoder has no vectors of documents; leave it at 0")
    return lambda: scorer.mean_vectors(texts)
