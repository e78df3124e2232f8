"""Running one graph fast on CPUs: length-sorted micro-batches on workers of one thread each."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relsearch.core.forks import renew_after_fork
from relsearch.core.settings.config import Runtime
from relsearch.encoders.joining import Row
from relsearch.runtime.sessions import INPUTS, Variant, open_session

# How fast the measured cost follows the machine: about the last ten calls count.
_MEMORY = 0.1


class Engine:
    """A session shared by `workers` threads; one row of each output an input."""

    def __init__(
        self,
        graph: Path,
        *,
        outputs: Sequence[str],
        variant: Variant = "fp32",
        runtime: Runtime = "onnxruntime",
        workers: int | None = None,
    ) -> None:
        self.workers = workers or available_cores()
        self.seconds_per_token = 0.0  # of one worker; 0 before the first call
        self._session = open_session(graph, outputs, variant=variant, runtime=runtime, workers=self.workers)
        self._pool = self._threads()
        renew_after_fork(self)

    def run(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Return the graph's first output for each of at least one input, in input order."""
        return np.stack([outputs[0] for outputs in self.run_each(rows)])

    def run_each(self, rows: Sequence[Row]) -> list[list[NDArray[np.float32]]]:
        """Return the graph's outputs for each input, in input order; what is computed for padding is not cut off."""
        batches = micro_batches([len(row.ids) for row in rows], self._session.batch_tokens)
        # A single batch runs on the caller's thread, at the priority that the caller chose.
        calls = map if len(batches) == 1 else self._pool.map
        parts = calls(lambda batch: self._call([rows[place] for place in batch]), batches)
        found: dict[int, list[NDArray[np.float32]]] = {}
        for batch, outputs in zip(batches, parts, strict=True):
            found |= {place: [output[turn] for output in outputs] for turn, place in enumerate(batch)}
        return [found[place] for place in range(len(rows))]

    def plan(self, lengths: Sequence[int], deadline: float) -> int:
        """Return how many of the inputs, in order, are worth preparing: twice what the measured cost says will fit."""
        seconds = np.cumsum(lengths) * self.seconds_per_token / self.workers
        return int(np.searchsorted(seconds, 2 * (deadline - time.perf_counter()), side="right"))

    def run_until(self, rows: Sequence[Row], deadline: float) -> dict[int, list[NDArray[np.float32]]]:
        """Return the outputs of those inputs, first come first, that end before `deadline` of time.perf_counter.

        No input is begun that the measured cost a token says would end too late, and none is waited for.
        """
        left = deque(range(len(rows)))
        done: dict[int, list[NDArray[np.float32]]] = {}

        def work() -> None:
            while left:
                try:
                    place = left.popleft()
                except IndexError:  # another worker took the last one
                    return
                if time.perf_counter() + self.seconds_per_token * len(rows[place].ids) > deadline:
                    left.clear()
                    return
                done[place] = [output[0] for output in self._call([rows[place]])]

        tasks = [self._pool.submit(work) for _ in range(min(self.workers, len(rows)))]
        wait(tasks, timeout=max(deadline - time.perf_counter(), 0.0))
        left.clear()
        for task in tasks:
            if not task.cancel() and task.done():
                task.result()
        return dict(done)

    def after_fork(self) -> None:
        """Take new threads: those of the pool stayed with the parent, which its forked copy does not know."""
        self._pool = self._threads()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.workers, thread_name_prefix="relsearch-onnx")

    def _call(self, rows: Sequence[Row]) -> list[NDArray[np.float32]]:
        started = time.perf_counter()
        outputs = self._session.run(feeds_of(rows, self._session.inputs, step=self._session.step))
        spent = (time.perf_counter() - started) / (max(len(row.ids) for row in rows) * len(rows))
        known = self.seconds_per_token
        self.seconds_per_token = known + _MEMORY * (spent - known) if known else spent
        return outputs


def available_cores() -> int:
    """Return how many cores this process may use; fewer where RELSEARCH_CORES says so, as for a worker of a cluster."""
    if allowed := os.environ.get("RELSEARCH_CORES"):
        return int(allowed)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def micro_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Return rows in batches of like length, longest first, each at most `batch_tokens` padded tokens or one row."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def feeds_of(rows: Sequence[Row], wanted: Sequence[str], *, step: int = 1) -> dict[str, NDArray[np.int64]]:
    """Return the inputs of a graph for one call, padded to the longest row or the next multiple of `step`."""
    # Padding ids are 0 whatever the vocabulary: the attention mask hides them.
    longest = -(-max(len(row.ids) for row in rows) // step) * step
    ids, types, mask = np.zeros((3, len(rows), longest), dtype=np.int64)
    for number, row in enumerate(rows):
        length = len(row.ids)
        ids[number, :length], types[number, :length], mask[number, :length] = row.ids, row.types, 1
    columns = dict(zip(INPUTS, (ids, mask, types), strict=True))
    return {name: columns[name] for name in wanted}
