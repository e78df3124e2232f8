"""A circuit breaker: a reranker that fails its own test is left alone until it passes it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Opens after `failures` in a row, and lets one probe through `cool_s` seconds later; its success closes it."""

    def __init__(self, *, failures: int = 3, cool_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._cool_s = cool_s
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._probing = False
        self._retry_at = 0.0

    @property
    def state(self) -> State:
        """Whether calls are made (closed), none are (open), or one probe is under way (half-open)."""
        if self._failures < self._limit:
            return "closed"
        return "half-open" if self._probing else "open"

    def take_probe(self) -> bool:
        """Return whether the caller is to make the probe, whose result it then reports."""
        with self._lock:
            if self.state != "open" or self._clock() < self._retry_at:
                return False
            self._probing = True
            return True

    def succeeded(self) -> None:
        """Close the breaker."""
        with self._lock:
            self._failures, self._probing = 0, False

    def failed(self) -> None:
        """Count a failure."""
        with self._lock:
            self._failures += 1
            self._probing = False
            self._retry_at = self._clock() + self._cool_s
