"""A mean over queries with its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval; nan where one is not defined."""

    mean: float
    low: float
    high: float
