"""Running one ONNX graph fast on CPUs: length-sorted micro-batches on workers of one thread each."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relsearch.errors import ArtifactError
from relsearch.rerank.pairs import Row

CPU = ("CPUExecutionProvider",)
# How fast the measured cost follows the machine: about the last ten calls count.
_MEMORY = 0.1


class Engine:
    """A session shared by `workers` threads; one row of each output an input."""

    def __init__(
        self,
        graph: Path,
        *,
        outputs: Sequence[str],
        batch_tokens: int,
        workers: int | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:
        self.workers = workers or available_cores()
        self.seconds_per_token = 0.0  # of one worker; 0 before the first call
        self._session = _session(graph, providers)
        self._outputs = list(outputs)
        self._wanted = [tensor.name for tensor in self._session.get_inputs()]
        self._batch_tokens = batch_tokens
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="relsearch-onnx")

    def run(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Return the graph's first output for each of at least one input, in input order."""
        return np.stack([outputs[0] for outputs in self.run_each(rows)])

    def run_each(self, rows: Sequence[Row]) -> list[list[NDArray[np.float32]]]:
        """Return the graph's outputs for each input, in input order; what is computed for padding is not cut off."""
        batches = micro_batches([len(row.ids) for row in rows], self._batch_tokens)
        parts = self._pool.map(lambda batch: self._call([rows[place] for place in batch]), batches)
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

    def _call(self, rows: Sequence[Row]) -> list[NDArray[np.float32]]:
        started = time.perf_counter()
        lengths = [len(row.ids) for row in rows]
        outputs: list[NDArray[np.float32]] = self._session.run(self._outputs, _feeds(rows, lengths, self._wanted))
        spent = (time.perf_counter() - started) / (max(lengths) * len(rows))
        known = self.seconds_per_token
        self.seconds_per_token = known + _MEMORY * (spent - known) if known else spent
        return outputs


def available_cores() -> int:
    """Return how many cores this process may use."""
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


def _feeds(rows: Sequence[Row], lengths: Sequence[int], wanted: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    # Padding ids are 0 whatever the vocabulary: the attention mask hides them.
    ids, types, mask = np.zeros((3, len(rows), max(lengths)), dtype=np.int64)
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        ids[number, :length], types[number, :length], mask[number, :length] = row.ids, row.types, 1
    columns = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return {name: columns[name] for name in wanted}


def _session(graph: Path, providers: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    usable = [name for name in providers if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=usable)
    except Exception as exc:  # onnxruntime's errors share no public base
        raise ArtifactError(f"{graph}: onnxruntime cannot load it ({exc}); export again") from exc
