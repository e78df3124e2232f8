"""Verbs in processes of their own, stopped in mid-run; they are forked from one that has imported what they need."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
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


def _main(arguments: Sequence[str], log: Path) -> None:
    from relsearch.cli import main
    from relsearch.core.display import progress

    progress.LOG_EVERY_S = 0.02
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a shell; a fork server ignores Ctrl-C
    sys.argv = ["relsearch", *arguments]
    main()
