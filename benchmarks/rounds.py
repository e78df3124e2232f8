"""Interleaved timing: each round takes every way once, so that a slow minute of the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Seconds = dict[str, list[float]]
Spread = dict[str, float]


def interleaved(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> Seconds:
    """Return the seconds of each way, one a round; the order turns by one each round."""
    seconds: Seconds = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def faster(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """Return how many times as fast, each round for itself: the median, the lowest and the highest."""
    return _spread([before / after for before, after in zip(slow, fast, strict=True)], digits=3)


def rate(amount: float, seconds: Sequence[float], *, per_s: float = 1.0) -> Spread:
    """Return the amount done in `per_s` seconds: the median, the lowest and the highest round."""
    return _spread([per_s * amount / each for each in seconds], digits=1)


def _spread(values: Sequence[float], *, digits: int) -> Spread:
    found = {"value": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: round(value, digits) for name, value in found.items()}
