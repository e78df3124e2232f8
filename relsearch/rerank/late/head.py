"""How cosine and MaxSim become a logit of relevance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from relsearch.core.errors import DataError
from relsearch.stats.deviation import standard_deviation
from relsearch.stats.logistic import Floats, check_finite


class Standard(BaseModel):
    """x -> (x - mean) / deviation."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mean: float
    deviation: float = Field(gt=0)

    @classmethod
    def fit(cls, values: Floats, what: str) -> Standard:
        """Return the map that gives the values mean 0 and deviation 1; raise DataError where they are constant."""
        check_finite(values, f"the {what} of the training pairs")
        deviation = float(standard_deviation(values))
        if not deviation > 0:
            raise DataError(f"all training pairs have the same {what}; check the texts and [train] base")
        return cls(mean=float(values.mean()), deviation=deviation)


class LateHead(BaseModel):
    """logit = cosine_weight * standard(cosine) + maxsim_weight * standard(maxsim) + bias."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cosine: Standard
    maxsim: Standard
    cosine_weight: float
    maxsim_weight: float
    bias: float

    def logits(self, cosines: ArrayLike, maxsims: ArrayLike) -> Floats:
        """Return the logits in float64, shape [n]."""
        cosine = (np.asarray(cosines, dtype=np.float64) - self.cosine.mean) / self.cosine.deviation
        maxsim = (np.asarray(maxsims, dtype=np.float64) - self.maxsim.mean) / self.maxsim.deviation
        return np.asarray(self.cosine_weight * cosine + self.maxsim_weight * maxsim + self.bias, dtype=np.float64)
