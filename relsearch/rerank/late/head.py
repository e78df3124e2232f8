"""How cosine and MaxSim become a logit of relevance: a start fitted on the training pairs, then trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from relsearch.errors import DataError
from relsearch.rerank.logistic import LOWEST_SLOPE, Floats

_RIDGE = 1e-3  # keeps the weights finite where the classes are separable


class Standard(BaseModel):
    """x -> (x - mean) / deviation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    deviation: float = Field(gt=0)

    @classmethod
    def fit(cls, values: Floats, what: str) -> Standard:
        """Return the map that gives the values mean 0 and deviation 1; raise DataError where they are constant."""
        deviation = float(values.std())
        if not deviation > 0:
            raise DataError(f"all training pairs have the same {what}; check the texts and [train] base")
        return cls(mean=float(values.mean()), deviation=deviation)


class LateHead(BaseModel):
    """logit = cosine_weight * standard(cosine) + maxsim_weight * standard(maxsim) + bias."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cosine: Standard
    maxsim: Standard
    cosine_weight: float
    maxsim_weight: float
    bias: float

    @classmethod
    def fit(cls, cosines: ArrayLike, maxsims: ArrayLike, gains: ArrayLike, *, weights: ArrayLike) -> LateHead:
        """Return the head of least weighted cross-entropy to gains in [0, 1]; both weights are positive."""
        from scipy.optimize import minimize

        columns = [np.asarray(each, dtype=np.float64) for each in (cosines, maxsims)]
        standards = [Standard.fit(each, what) for each, what in zip(columns, ("cosine", "MaxSim"), strict=True)]
        x = np.stack([(each - s.mean) / s.deviation for each, s in zip(columns, standards, strict=True)], axis=1)
        y, w = (np.asarray(each, dtype=np.float64) for each in (gains, weights))
        bounds = [(LOWEST_SLOPE, None), (LOWEST_SLOPE, None), (None, None)]
        start = np.array([0.5, 0.5, 0.0])
        found = minimize(_cross_entropy, start, args=(x, y, w / w.sum()), jac=True, method="L-BFGS-B", bounds=bounds)
        a, b, bias = map(float, found.x)
        return cls(cosine=standards[0], maxsim=standards[1], cosine_weight=a, maxsim_weight=b, bias=bias)

    def logits(self, cosines: ArrayLike, maxsims: ArrayLike) -> Floats:
        """Return the logits in float64, shape [n]."""
        cosine = (np.asarray(cosines, dtype=np.float64) - self.cosine.mean) / self.cosine.deviation
        maxsim = (np.asarray(maxsims, dtype=np.float64) - self.maxsim.mean) / self.maxsim.deviation
        return np.asarray(self.cosine_weight * cosine + self.maxsim_weight * maxsim + self.bias, dtype=np.float64)


def _cross_entropy(parameters: Floats, x: Floats, y: Floats, w: Floats) -> tuple[float, Any]:
    slopes, bias = parameters[:-1], parameters[-1]
    logits = x @ slopes + bias
    loss = float(np.sum(w * (np.logaddexp(0.0, logits) - y * logits)) + _RIDGE * slopes @ slopes)
    error = w * (1.0 / (1.0 + np.exp(-logits)) - y)
    return loss, np.array([*(x.T @ error + 2 * _RIDGE * slopes), error.sum()])
