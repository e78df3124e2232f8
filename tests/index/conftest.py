"""Fixtures of search servers: started once for the suite, stopped after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from relsearch.index.engine.http import Server
from relsearch.index.registry import open_server

ENGINES = [
    "compatible",
    pytest.param("elasticsearch", marks=pytest.mark.live),
    pytest.param("opensearch", marks=pytest.mark.live),
]


def _serve(command: list[str]) -> Iterator[str]:
    """Yield the URL of a server that runs meanwhile."""
    with started(command) as (url, _):
        yield url


@contextmanager
def started(command: list[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a server, yield the URL that it prints in its first line with one, stop it and what it started."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            url = next((word for line in process.stdout for word in line.split() if word.startswith("http://")), None)
            if url is None:
                pytest.fail(f"{command} ended without printing a URL")
            yield url, process
        finally:
            with suppress(ProcessLookupError):  # a test may have killed it
                os.killpg(process.pid, signal.SIGTERM)


def compatible(folder: Path, *, port: int = 0) -> list[str]:
    """Return the command of a small Elasticsearch-compatible server that needs no Java; port 0 is any free one."""
    options = ["--only", "elasticsearch", "--host", "127.0.0.1", "--elasticsearch-port", str(port)]
    return [str(Path(sys.executable).parent / "noida-db"), "start", *options, "--data-dir", str(folder)]


@pytest.fixture(scope="session")
def elasticsearch_url(servers: Path) -> Iterator[str]:
    """A real Elasticsearch."""
    yield from _serve([sys.executable, str(servers / "start.py"), "elasticsearch"])


@pytest.fixture(scope="session")
def opensearch_url(servers: Path) -> Iterator[str]:
    """A real OpenSearch."""
    yield from _serve([sys.executable, str(servers / "start.py"), "opensearch"])


@pytest.fixture(scope="session")
def compatible_url() -> Iterator[str]:
    """A small Elasticsearch-compatible server."""
    # A child of the server may write its last file while the folder is being removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield from _serve(compatible(Path(folder)))


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Server:
    """A running engine, each in turn."""
    engine = str(request.param)
    url = request.getfixturevalue(f"{engine}_url")
    return open_server("elasticsearch" if engine == "compatible" else engine, url)
