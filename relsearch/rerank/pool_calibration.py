"""P(relevant) from a pool's scores: by how far a candidate stands above the others of its query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from relsearch.stats.logistic import Floats, Logistic, log_odds


class PoolCalibration(BaseModel):
    """P = link((logit - m) / d), with the pool's own mean m and deviation d of its candidates' logits.

    An encoder's scores lie elsewhere in every collection, so no map of the score alone is calibrated in a second one;
    where a score lies in its own pool says more. `mean` and `deviation` are those of a typical pool, which counts for
    `weight` candidates in m and d: a few candidates tell little of a distribution, one tells nothing. A search engine's
    top 100 is meant; where no candidate is relevant, the best still gets a high P.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    link: Logistic
    mean: float
    deviation: float = Field(gt=0)
    weight: float = Field(gt=0)

    def calibrate(self, scores: Sequence[float]) -> list[float]:
        """Return P(relevant) of each candidate from its score in (0, 1), in the same order, strictly inside (0, 1)."""
        if not scores:
            return []
        found: list[float] = self.link.probabilities(self.standardise(log_odds(scores))).tolist()
        return found

    def standardise(self, logits: Floats) -> Floats:
        """Return by how many deviations each logit of a pool lies above its mean."""
        others = len(logits) - 1
        own = others / (others + self.weight)
        mean = own * logits.mean() + (1 - own) * self.mean
        variance = own * logits.var() + (1 - own) * self.deviation**2
        return np.asarray((logits - mean) / np.sqrt(variance), dtype=np.float64)
