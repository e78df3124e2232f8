"""The bootstrap over queries: pairs of one query are not independent, so whole queries are drawn, never pairs.

Intervals are 95 % percentile intervals. A figure of a resample is computed from per-query sums weighted by how often
the resample draws each query, so that no pair is ever copied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled: ArrayLike) -> Figure:
        """Return the value with the interval of its resamples; resamples that leave it undefined (nan) are left out."""
        low, high = np.nanpercentile(np.asarray(resampled, dtype=np.float64), [2.5, 97.5])
        return cls(float(value), float(low), float(high))

    @classmethod
    def defined(cls, value: float, resampled: ArrayLike) -> Figure | None:
        """Return the same, or None where the value itself is undefined."""
        return None if np.isnan(value) else cls.of(value, resampled)

    def to_json(self) -> dict[str, float]:
        """Return value and interval by name."""
        return {"value": self.value, "low": self.low, "high": self.high}


def query_draws(queries: int, *, resamples: int, seed: int) -> NDArray[np.int64]:
    """Return how often each resample draws each query, shape [resamples, queries]; rows sum to the queries."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(queries, np.full(queries, 1 / queries), size=resamples)
