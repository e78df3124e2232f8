"""The command line within the test's own process, since starting one and importing takes longer than most verbs."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from relsearch.cli import main


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left: its exit status, results and messages."""

    returncode: int
    stdout: str
    stderr: str


def relsearch(*arguments: str, cwd: Path | None = None) -> Done:
    """Run `relsearch` with the arguments in a folder, logging set up as in a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    status: object = 0
    with chdir(cwd) if cwd else nullcontext(), redirect_stdout(out), redirect_stderr(err), _fresh(arguments):
        try:
            main()
        except SystemExit as exc:
            status = exc.code
    return Done(status if isinstance(status, int) else int(status is not None), out.getvalue(), err.getvalue())


@contextmanager
def _fresh(arguments: tuple[str, ...]) -> Iterator[None]:
    """Arguments of a program, and a root logger without handlers, until the block ends."""
    root, argv = logging.getLogger(), sys.argv
    handlers, level = root.handlers[:], root.level
    root.handlers, sys.argv = [], ["relsearch", *arguments]
    try:
        yield
    finally:
        root.handlers, sys.argv = handlers, argv
        root.setLevel(level)
