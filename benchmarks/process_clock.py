"""The CPU time of a benchmark's process and of those that it starts."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Lock, Thread
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

_EVERY_S = 0.5


class Spent(NamedTuple):
    """Seconds, since the epoch or in between; CPU seconds of Ray's workers, of all other processes, and of this one."""

    seconds: float
    workers: float
    rest: float
    here: float

    def since(self, before: Spent) -> Spent:
        """Return what was spent in between."""
        return Spent(*(after - first for after, first in zip(self, before, strict=True)))


class Clock:
    """Counts the CPU time of this process and of all below it, of those that ended, too, but for their last moment."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], tuple[bool, float]] = {}
        self._noted: list[Spent] = []
        self._lock = Lock()
        Thread(target=self._watch, daemon=True).start()

    def spent(self) -> Spent:
        """Return what was spent so far."""
        with self._lock:
            here = psutil.Process()
            for process in [here, *here.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess), process.oneshot():
                    used = process.cpu_times()
                    seen = "MapWorker" in process.name(), used.user + used.system
                    self._seen[process.pid, process.create_time()] = seen
            workers = sum(seconds for worker, seconds in self._seen.values() if worker)
            rest = sum(seconds for worker, seconds in self._seen.values() if not worker)
            self._noted.append(Spent(time.time(), workers, rest, time.process_time()))
            return self._noted[-1]

    def spent_at(self, moment: float) -> Spent:
        """Return what was spent when last looked at before a moment, in seconds since the epoch."""
        return next(each for each in reversed(self._noted) if each.seconds <= moment)

    def _watch(self) -> None:
        while True:
            self.spent()
            time.sleep(_EVERY_S)
