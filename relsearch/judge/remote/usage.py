"""What a remote judge has spent so far."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from threading import Lock

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of a remote judge since it was made, its first probe included; `cost` is in the prices' currency.

    `requests` holds every attempt and `retries` those after the first; `missing` pairs got no grade, `truncated`
    ones were shortened before sending; tokens are as the endpoint counts them.
    """

    requests: int = 0
    retries: int = 0
    missing: int = 0
    truncated: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.requests} requests ({self.retries} retries), {self.missing} labels missing, {self.truncated} texts "
            f"truncated, {self.tokens_in} tokens in, {self.tokens_out} out, cost {self.cost:.4f}"
        )


class Meter:
    """Adds up usage from many threads; prices are of a million tokens."""

    def __init__(self, *, price_in: float, price_out: float) -> None:
        self._price_in = price_in
        self._price_out = price_out
        self._lock = Lock()
        self._total = Usage()

    @property
    def total(self) -> Usage:
        """What was used so far."""
        return self._total

    def add(self, usage: Usage) -> None:
        """Add usage, with the cost of its tokens."""
        cost = (usage.tokens_in * self._price_in + usage.tokens_out * self._price_out) / _MILLION
        with self._lock:
            self._total += replace(usage, cost=cost)
