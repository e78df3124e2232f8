"""`relsearch serve` as a process of its own, for tests of the service and of what is attached to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served(bundle: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The service of a bundle on a free port, and a client of it, once it is healthy."""
    port = free_port()
    command = [sys.executable, "-c", "from relsearch.cli import main; main()", "serve", "--bundle", str(bundle)]
    process = subprocess.Popen(
        [*command, "--port", str(port), *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=100) as client:
            _wait_until_healthy(process, client)
            yield process, client
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; TimeoutError after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def _wait_until_healthy(process: subprocess.Popen[str], client: httpx.Client) -> None:
    def healthy() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended: {process.stderr.read() if process.stderr else ''}")
        try:
            return client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    wait_for(healthy)
