"""A circuit breaker: a reranker that keeps failing is left alone for a while, so that searches do not wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` in a row, then lets one trial through every `cool_s` seconds until one succeeds."""

    def __init__(self, *, failures: int = 5, cool_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._cool_s = cool_s
        self._clock = clock
        self._failures = 0
        self._retry_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether only trials are let through."""
        return self._failures >= self._limit

    def allows(self) -> bool:
        """Return whether a call may be made now; an open breaker grants one trial a cool-down."""
        if not self.is_open:
            return True
        if self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + self._cool_s
        return True

    def succeeded(self) -> None:
        """Close the breaker."""
        self._failures = 0

    def failed(self) -> None:
        """Count a failure."""
        self._failures += 1
        self._retry_at = self._clock() + self._cool_s
