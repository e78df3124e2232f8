"""Verbs in processes of their own, stopped in mid-run; they are forked from one that has imported what they need."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

_IMPORTED = (
    "relsearch.api.pipeline",
    "relsearch.judge.tune",
    "relsearch.rerank.late.train",
    "relsearch.synthesis.writer.causal",
    "relsearch.index.engine.ingest",
    "bm25s",
    "elasticsearch.helpers",
    "sentence_transformers",
    "sklearn.cluster",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
)
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(list(_IMPORTED))
_LONGEST_S = 600  # only ends a run that hangs

_LONGEST_SWAP = 50  # looks in a row that may find less, while a new file takes an old one's place

# The units of work that are done so far, in any order.
Done = Callable[[], Sequence[object]]


def run(arguments: Sequence[str], log: Path) -> int:
    """Run `relsearch` to its end and return its exit status; what it prints is added to the log."""
    process = _PROCESSES.Process(target=_main, args=(arguments, log))
    process.start()
    process.join(_LONGEST_S)
    assert process.exitcode is not None, log.read_text("utf-8")
    return process.exitcode


def stop(arguments: Sequence[str], log: Path, done: Done, *, by: signal.Signals) -> int:
    """Start `relsearch`, stop it by a signal once it has done more than before, and return its exit status.

    Raise AssertionError where it does something again that was done already.
    """
    before = now = len(done())
    process = _PROCESSES.Process(target=_main, args=(arguments, log))
    process.start()
    started, fewer = time.monotonic(), 0
    while now <= before and process.is_alive() and time.monotonic() - started < _LONGEST_S:
        time.sleep(0.001)
        now = len(found := done())
        fewer = fewer + 1 if now < before else 0
        assert now == len(set(found)), "done twice"
        assert fewer < _LONGEST_SWAP, "what was done is lost"
    assert process.pid is not None
    assert process.is_alive(), log.read_text("utf-8")
    os.kill(process.pid, by)
    process.join(_LONGEST_S)
    assert process.exitcode is not None
    return process.exitcode


def run_together(
    commands: Sequence[Sequence[str]], logs: Sequence[Path], done: Done | None = None, *, killed: int | None = None
) -> list[int]:
    """Run `relsearch` in processes that share its training, as torchrun starts them; return their statuses.

    Each has its arguments and its log. With `done`, the process `killed` is, once more is done than before.
    """
    before = len(done()) if done else 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": len(logs), "LOCAL_WORLD_SIZE": len(logs), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    own = [{**shared, "RANK": number, "LOCAL_RANK": number} for number in range(len(logs))]
    processes = [
        _PROCESSES.Process(target=_main, args=(arguments, log, variables))
        for arguments, log, variables in zip(commands, logs, own, strict=True)
    ]
    for process in processes:
        process.start()
    started = time.monotonic()
    if done is not None and killed is not None:
        while len(done()) <= before and time.monotonic() - started < _LONGEST_S:
            assert all(process.is_alive() for process in processes), [log.read_text("utf-8") for log in logs]
            time.sleep(0.001)
        processes[killed].kill()
    for process in processes:
        process.join(_LONGEST_S)
        process.kill()  # one that hangs
        process.join()
    return [process.exitcode or 0 for process in processes]


def _main(arguments: Sequence[str], log: Path, variables: Mapping[str, object] | None = None) -> None:
    os.environ.update({name: str(value) for name, value in (variables or {}).items()})
    from relsearch.cli import main
    from relsearch.core.display import progress

    progress.LOG_EVERY_S = 0.0
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a shell; a fork server ignores Ctrl-C
    sys.argv = ["relsearch", *arguments]
    main()
