"""Two-parameter logistic maps: the prior from the cosine, and the calibration of the final logit (Platt 1999)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from relsearch.core.errors import ModelError

Floats = NDArray[np.float64]

LOWEST_SLOPE = 0.05  # an order is never reversed, nor flattened into ties
_RIDGE = 1e-3  # keeps the slope finite where the classes are separable
_ORDINARY = 12.0  # beyond it the tail falls as 1/x, not exp(-x), so that float64 ties nothing at 0 or 1

_EDGE = 1e-15


class Logistic(BaseModel):
    """The map x -> slope * x + intercept, read as a logit; the slope is positive."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slope: float = Field(1.0, gt=0)
    intercept: float = 0.0

    @classmethod
    def fit(cls, values: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Logistic:
        """Return the map of least weighted cross-entropy to targets in [0, 1], its slope at least LOWEST_SLOPE.

        Raise ModelError where a value is NaN or infinite.
        """
        from scipy.optimize import minimize

        x = np.asarray(values, dtype=np.float64)
        check_finite(x, "the scores that a calibration is fitted on")
        y = np.asarray(targets, dtype=np.float64)
        w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
        found = minimize(
            _cross_entropy,
            np.array([1.0, 0.0]),
            args=(x, y, w / w.sum()),
            jac=True,
            method="L-BFGS-B",
            bounds=[(LOWEST_SLOPE, None), (None, None)],
        )
        return cls(slope=float(found.x[0]), intercept=float(found.x[1]))

    def logits(self, values: ArrayLike) -> Floats:
        """Return slope * value + intercept in float64."""
        return self.slope * np.asarray(values, dtype=np.float64) + self.intercept

    def probabilities(self, values: ArrayLike) -> Floats:
        """Return probabilities strictly inside (0, 1); strictly increasing, also where a sigmoid would round to 1.

        Raise ModelError where a value is NaN or infinite: it has no place among others.
        """
        logits = self.logits(values)
        check_finite(logits, "the reranker's scores")
        size = np.abs(logits)
        ordinary = 1.0 / (1.0 + np.exp(np.minimum(size, _ORDINARY)))
        smaller = ordinary / (1.0 + np.maximum(size - _ORDINARY, 0.0))
        return np.where(logits < 0, smaller, 1.0 - smaller)


def check_finite(values: NDArray[np.floating[Any]], what: str) -> None:
    """Raise ModelError where a value is NaN or infinite."""
    if not np.isfinite(values).all():
        raise ModelError(f"{what}: some are NaN or infinite, so its model is damaged; train or export it again")


def log_odds(probabilities: ArrayLike) -> Floats:
    """Return the logit of each probability; what rounding took to 0 or 1 is finite again."""
    inside = np.clip(np.asarray(probabilities, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _cross_entropy(parameters: Floats, x: Floats, y: Floats, w: Floats) -> tuple[float, Any]:
    slope, intercept = parameters
    logits = slope * x + intercept
    loss = float(np.sum(w * (np.logaddexp(0.0, logits) - y * logits)) + _RIDGE * slope**2)
    error = w * (1.0 / (1.0 + np.exp(-logits)) - y)
    return loss, np.array([np.sum(error * x) + 2 * _RIDGE * slope, np.sum(error)])
