"""Several columns as one ordinal score: proportional odds with more than one column (McCullagh 1980).

P(grade >= k) = sigmoid(w · z(columns) - threshold_k). A weight may be below 0, so that the score can count by how
much one column exceeds another. A ridge penalty keeps correlated columns' weights small.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from relsearch.core.errors import DataError
from relsearch.core.types import Scale
from relsearch.stats.deviation import standard_deviation

Floats = NDArray[np.float64]
_RIDGE = 1e-3


class Blend(BaseModel):
    """Fitted weights; means, deviations and weights have one entry a column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    weights: tuple[float, ...]

    @classmethod
    def fit(cls, columns: Sequence[str], values: ArrayLike, grades: ArrayLike, scale: Scale) -> Blend:
        """Fit on values [n, columns] and grades [n] by penalised maximum likelihood; raise DataError on unusable input.

        A single column has weight 1: its slope is left to the cumulative link that reads the score.
        """
        matrix = np.asarray(values, dtype=np.float64)
        levels = np.asarray(grades, dtype=np.int64) - scale.lowest
        if matrix.shape != (len(levels), len(columns)) or not len(levels):
            raise DataError(f"blend: {matrix.shape} values for {len(levels)} grades and {len(columns)} columns")
        if not np.isfinite(matrix).all():
            column = columns[int(np.argmin(np.isfinite(matrix).all(axis=0)))]
            raise DataError(f"blend: a value of {column} is not finite; remove the pair or mend its source")
        means, deviations = matrix.mean(axis=0), standard_deviation(matrix)
        deviations = np.where(deviations > 0, deviations, 1.0)
        weights = (
            _weights((matrix - means) / deviations, levels, len(scale.names))
            if len(columns) > 1
            else [1.0] * len(columns)
        )
        return cls(
            columns=tuple(columns), means=tuple(means), deviations=tuple(deviations), weights=tuple(map(float, weights))
        )

    def scores(self, values: ArrayLike) -> Floats:
        """Return one score a row of values [n, columns]; higher is more relevant. Raise DataError on another shape."""
        matrix = np.asarray(values, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != len(self.columns):
            raise DataError(
                f"blend of {', '.join(self.columns) or 'nothing'}: values are {matrix.shape}, not [n, columns]"
            )
        standardised = (matrix - np.asarray(self.means)) / np.asarray(self.deviations)
        return np.asarray(standardised @ np.asarray(self.weights), dtype=np.float64)


def _weights(standardised: Floats, levels: NDArray[np.int64], grades: int) -> Floats:
    from scipy.optimize import minimize

    reached = (levels[:, None] > np.arange(grades - 1)).astype(np.float64)
    size = standardised.shape[1]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, thresholds = parameters[:size], parameters[size:]
        margin = (standardised @ weights)[:, None] - thresholds
        value = (np.logaddexp(0, margin) - reached * margin).sum(axis=1).mean() + _RIDGE * np.square(weights).sum()
        slope = (1 / (1 + np.exp(-margin)) - reached) / len(standardised)
        return float(value), np.concatenate(
            [standardised.T @ slope.sum(axis=1) + 2 * _RIDGE * weights, -slope.sum(axis=0)]
        )

    start = np.concatenate([np.full(size, 1 / size), np.linspace(-1, 1, grades - 1)])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x[:size], dtype=np.float64)
