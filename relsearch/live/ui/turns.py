"""A lock for a model that people and background work share: whoever looks at a page goes first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """One at a time; background work waits until no person does."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._taken = False
        self._people = 0  # who wait

    @contextmanager
    def first(self) -> Iterator[None]:
        """Hold the lock for a person."""
        with self._changed:
            self._people += 1
            self._changed.wait_for(lambda: not self._taken)
            self._people -= 1
            self._taken = True
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def behind(self) -> Iterator[None]:
        """Hold the lock for background work."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._taken or self._people))
            self._taken = True
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()
