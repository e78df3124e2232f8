"""A real search engine for a benchmark: started on a free port, stopped afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.folders import SERVERS

NAMES = ("elasticsearch", "opensearch")


@contextmanager
def engine(name: str) -> Iterator[str]:
    """Yield the URL of a fresh engine."""
    with started([sys.executable, str(SERVERS / "start.py"), name]) as url:
        yield url


@contextmanager
def started(command: Sequence[str]) -> Iterator[str]:
    """Start a process that prints `ready URL`, yield the URL, stop it and what it started."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            lines = process.stdout or ()
            url = next((word for line in lines for word in line.split() if word.startswith("http://")), None)
            if url is None:
                raise SystemExit(f"{' '.join(command)} ended without a URL; set RELSEARCH_SERVERS")
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
