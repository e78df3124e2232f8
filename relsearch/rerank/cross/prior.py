"""What an untrained encoder already knows, as a logit: the start that the cross-encoder adds to."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from relsearch.core.errors import DataError
from relsearch.stats.deviation import standard_deviation
from relsearch.stats.logistic import Floats, Logistic, check_finite


class Prior(BaseModel):
    """logit = slope * (cosine - mean) / deviation + intercept, with constants fitted on the training pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mean: float
    deviation: float = Field(gt=0)
    link: Logistic

    @classmethod
    def fit(cls, cosines: ArrayLike, gains: ArrayLike, *, weights: ArrayLike | None = None) -> Prior:
        """Return the prior whose probabilities come closest to the gains.

        Raise DataError where the cosines are constant, ModelError where one is NaN.
        """
        values = np.asarray(cosines, dtype=np.float64)
        check_finite(values, "the cosines of the training pairs")
        mean, deviation = float(values.mean()), float(standard_deviation(values))
        if not deviation > 0:
            raise DataError("all training pairs have the same cosine; check the texts and [encoder] model")
        link = Logistic.fit((values - mean) / deviation, gains, weights=weights)
        return cls(mean=mean, deviation=deviation, link=link)

    def logits(self, cosines: ArrayLike) -> Floats:
        """Return the prior logit of each cosine, in the cosine's order."""
        values = np.asarray(cosines, dtype=np.float64)
        return self.link.logits((values - self.mean) / self.deviation)
