"""The CPU time of a benchmark's process and of those that it starts."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Lock, Thread
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]


class Spent(NamedTuple):
    """Seconds, and CPU seconds: of Ray's workers, of all other processes, and of those of this one."""

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
        self._lock = Lock()
        Thread(target=self._watch, daemon=True).start()

    def spent(self) -> Spent:
        """Return what was spent so far."""
        with self._lock:
            self._look()
            workers = sum(seconds for worker, seconds in self._seen.values() if worker)
            rest = sum(seconds for worker, seconds in self._seen.values() if not worker)
        return Spent(time.perf_counter(), workers, rest, time.process_time())

    def _watch(self) -> None:
        while True:
            with self._lock:
                self._look()
            time.sleep(0.25)

    def _look(self) -> None:
        here = psutil.Process()
        for process in [here, *here.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess), process.oneshot():
                used = process.cpu_times()
                seen = "MapWorker" in process.name(), used.user + used.system
                self._seen[process.pid, process.create_time()] = seen
