"""The bootstrap over queries: pairs of one query are not independent, so whole queries are drawn, never pairs.

Intervals are 95 % percentile intervals. A figure of a resample is computed from per-query sums weighted by how often
the resample draws each query, so that no pair is ever copied. A single query tells nothing of others: it has no
interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relsearch.core.display.text_table import interval, number, table


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval; both ends are nan where no resample defines the value."""

    value: float
    low: float
    high: float

    @classmethod
    def from_resamples(cls, value: float, resampled: ArrayLike) -> Figure:
        """Return the value with the interval of its resamples; resamples that leave it undefined (nan) are left out."""
        values = np.asarray(resampled, dtype=np.float64)
        defined = values[~np.isnan(values)]
        low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (np.nan, np.nan)
        return cls(float(value), float(low), float(high))

    @classmethod
    def from_resamples_or_none(cls, value: float, resampled: ArrayLike) -> Figure | None:
        """Return the same, or None where the value itself is undefined."""
        return None if np.isnan(value) else cls.from_resamples(value, resampled)

    def to_json(self) -> dict[str, float | None]:
        """Return value and interval by name, with null for what is not defined."""
        return {"value": self.value, "low": or_none(self.low), "high": or_none(self.high)}


def or_none(value: float) -> float | None:
    """Return the value, or None for nan, which JSON does not have."""
    return None if np.isnan(value) else value


def query_draws(queries: int, *, resamples: int, seed: int) -> NDArray[np.int64]:
    """Return how often each resample draws each query, shape [resamples, queries]; rows sum to the queries.

    There are no resamples of a single query.
    """
    if queries < 2:
        return np.zeros((0, queries), dtype=np.int64)
    rng = np.random.default_rng(seed)
    return rng.multinomial(queries, np.full(queries, 1 / queries), size=resamples)


def figures_json(figures: Mapping[str, Figure | None]) -> dict[str, dict[str, float | None] | None]:
    """Return named figures as JSON values; null for one that is not defined."""
    return {name: figure.to_json() if figure else None for name, figure in figures.items()}


def figures_table(figures: Mapping[str, Figure | None], headers: Sequence[str], spec: str = ".3f") -> str:
    """Return named figures as text: name, value and interval, with "-" for what is not defined."""
    return table(headers, figures_rows(figures, spec))


def figures_rows(figures: Mapping[str, Figure | None], spec: str = ".3f") -> list[list[str]]:
    """Return a row of name, value and interval for each figure, with "-" for what is not defined."""
    nothing = ["-", "-"]
    return [
        [name, *([number(f.value, spec), interval(f.low, f.high, spec)] if f else nothing)]
        for name, f in figures.items()
    ]
