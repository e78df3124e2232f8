"""Positions of what the page draws, in percent of a chart's width, so that a chart fits a phone with readable text.

The template writes charts as SVG, without a charting library: they take the page's colours, light and dark, print, are
read without any script, and weigh a few kilobytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEIGHT = 100  # of the gains chart, in its own units; a query is one unit wide


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of values that a chart shows from left to right."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float], *, start: float = 0.0) -> Axis:
        """Return an axis that holds `start` and the values that are numbers, with a margin at its open ends."""
        known = [start, *(value for value in values if not math.isnan(value))]
        low, high = min(known), max(known)
        margin = 0.06 * (high - low) or 1.0
        return cls(low - margin if low < start else low, high + margin if high > start or low == high else high)

    def at(self, value: float) -> float:
        """Return where a value stands, in percent."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and names of round values, about five."""
        step = _round_step((self.high - self.low) / 5)
        places = range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        return [(self.at(place * step), f"{place * step:.{digits}f}") for place in places]


@dataclass(frozen=True, slots=True)
class Span:
    """A value with its interval on an axis; the ends are None where there is no interval."""

    at: float
    low: float | None
    high: float | None

    @classmethod
    def on(cls, axis: Axis, mean: float, low: float, high: float) -> Span:
        """Return where the three stand."""
        return cls(axis.at(mean), *(None if math.isnan(end) else axis.at(end) for end in (low, high)))


def gain_paths(differences: Sequence[float]) -> dict[str, str]:
    """Return SVG paths of bars side by side, one unit wide each: those above zero, and those below it."""
    most = max((abs(value) for value in differences), default=0.0) or 1.0
    middle = HEIGHT / 2
    bars: dict[str, list[str]] = {"gain": [], "loss": []}
    for place, value in enumerate(differences):
        height = round(middle * value / most, 1)
        if height:
            bars["gain" if height > 0 else "loss"].append(f"M{place} {middle:g}v{-height:g}h1v{height:g}z")
    return {name: "".join(parts) for name, parts in bars.items()}


def line_segments(points: Sequence[tuple[float, float]], across: Axis, up: Axis) -> list[tuple[float, float]]:
    """Return the points in percent of width and height; y counts from the top."""
    return [(across.at(x), round(100 - up.at(y), 2)) for x, y in points]


def shares(counts: Sequence[int]) -> list[tuple[float, float]]:
    """Return start and width of each part of a stacked bar."""
    total = sum(counts) or 1
    starts = [sum(counts[:place]) for place in range(len(counts))]
    return [
        (round(100 * start / total, 2), round(100 * count / total, 2))
        for start, count in zip(starts, counts, strict=True)
    ]


def _round_step(rough: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is no smaller."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
