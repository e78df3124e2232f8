"""What a tuning run reports."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from relsearch.judge.tuning.quality import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """From how many pairs a judge learnt, and at which pace its model read; a regression has no steps.

    `history` has the log-likelihood of a part of the dev pairs by step, from the untuned start at step 0; `losses` the
    training loss by step, each the mean since the one before it.
    """

    pairs: int
    tokens_per_s: float
    steps: int = 0
    history: tuple[tuple[int, float], ...] = ()
    losses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReport(Learning):
    """What tuning did; `tuned` and `prior`, the retrieval features alone, are measured on the same dev pairs."""

    tuned: Quality
    prior: Quality
    seconds: float

    @property
    def beats_prior(self) -> bool:
        """Whether the tuned judge explains the dev grades better than the retrieval features alone do."""
        return self.tuned.log_likelihood > self.prior.log_likelihood

    def figures(self) -> dict[str, JsonValue]:
        """Return the report as JSON values."""
        return {
            "tuned": dict(self.tuned.to_json()),
            "evidence_alone": dict(self.prior.to_json()),
            "beats_evidence": self.beats_prior,
            "pairs": self.pairs,
            "steps": self.steps,
            "history": [[step, round(value, 6)] for step, value in self.history],
            "losses": [[step, round(value, 6)] for step, value in self.losses],
            "seconds": round(self.seconds, 1),
            "tokens_per_s": round(self.tokens_per_s, 1),
        }
