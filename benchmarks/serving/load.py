"""The service under load, compared with a plain FastAPI + sentence-transformers server on the same model.

`python -m benchmarks.serving.load --bundle BUNDLE --model RERANKER [--seconds 60] [--quick]`; RERANKER is the
cross-encoder's folder that the bundle was exported from (`relsearch export --model RERANKER`). One and eight clients
that wait for their answers, with and without a busy neighbour process; then requests at random times, at growing shares
of the rate that eight clients reached. --quick is a small part of it and records nothing. Texts are the packaged
demo's. Its table is in benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.record import record
from benchmarks.serving.clients import Requests, closed, offered
from relsearch.core.display.text_table import table
from relsearch.core.fields.template import render
from relsearch.data.collection import load_collection

SEED = 31
CLIENTS = (1, 8)
SHARES = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25)
_BUSY = "while True: pass"
_START_S = 120.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sent: documents a request, seconds a measurement, shares of the saturated rate."""

    documents: int
    seconds: float
    shares: tuple[float, ...] = SHARES


WHOLE = Size(documents=50, seconds=60)
QUICK = Size(documents=3, seconds=2, shares=(0.5, 1.25))


def main() -> None:
    """Measure, print, and record unless it was quick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=WHOLE.seconds, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing recorded")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else replace(WHOLE, seconds=arguments.seconds)
    figures: dict[str, Any] = {
        "documents_per_request": size.documents,
        "seconds": size.seconds,
        "cores": len(os.sched_getaffinity(0)),
    }
    with plain(arguments.model) as (url, _):
        figures["plain"] = measure(url, size)
    with service(arguments.bundle) as (url, _):
        figures["relsearch"] = measure(url, size)
    figures["p95_over_p50_busy"] = max(_spread(row) for row in figures["relsearch"]["clients"] if row["busy"])
    show(figures)
    if not arguments.quick:
        record("serve_load", figures, seed=SEED)


def measure(url: str, size: Size) -> dict[str, Any]:
    """Return one server's figures: waiting clients, quiet and busy, and offered load up to beyond saturation."""
    requests = demo_requests(size.documents)
    asyncio.run(closed(url, requests, clients=1, seconds=size.seconds / 4))  # warms both sides up
    rows = []
    for busy in (False, True):
        with neighbour(busy=busy):
            for clients in CLIENTS:
                found = asyncio.run(closed(url, requests, clients=clients, seconds=size.seconds))
                rows.append({"clients": clients, "busy": busy, **found.figures()})
    saturated = next(row["requests_per_s"] for row in rows if row["clients"] == max(CLIENTS) and not row["busy"])
    loads = []
    for share in size.shares:
        load = offered(url, requests, per_s=share * saturated, seconds=size.seconds, seed=SEED)
        loads.append({"share": share, "offered_per_s": round(share * saturated, 2), **asyncio.run(load).figures()})
    return {"saturated_per_s": saturated, "clients": rows, "offered": loads}


def demo_requests(documents: int) -> Requests:
    """Return requests of so many of the packaged demo's documents each, with its queries."""
    demo = load_collection("demo")
    texts = [render(document.fields) for document in demo.documents()]
    return Requests([query.text for query in demo.queries()], texts, documents=documents, seed=SEED)


def show(figures: Mapping[str, Any]) -> None:
    """Print both servers' tables."""
    keys = ("requests_per_s", "p50_ms", "p95_ms", "p99_ms", "refused", "errors")
    for group, first in (("clients", ("clients", "busy")), ("offered", ("share", "offered_per_s"))):
        rows = [
            [server, *(str(row[key]) for key in (*first, *keys))]
            for server in ("plain", "relsearch")
            for row in figures[server][group]
        ]
        print(table(["server", *first, *keys], rows), end="\n\n")
    print({key: value for key, value in figures.items() if key not in {"plain", "relsearch"}})


@contextmanager
def service(bundle: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of `relsearch serve`, and its process."""
    port = _free_port()
    command = [sys.executable, "-c", "from relsearch.cli import main; main()", "serve", "--timeout-s", "60"]
    with _running([*command, "--bundle", str(bundle), "--port", str(port)], port, {}) as found:
        yield found


@contextmanager
def plain(model: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of the plain server, and its process."""
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.serving.plain_server:app",
        "--no-access-log",
        "--port",
        str(port),
    ]
    with _running(command, port, {"RERANKER": str(model)}) as found:
        yield found


@contextmanager
def neighbour(*, busy: bool) -> Iterator[None]:
    """A process that keeps one core busy, if asked for."""
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _running(
    command: list[str], port: int, environment: dict[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, process)
        yield url, process
    finally:
        process.terminate()
        process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"the server at {url} did not start; run its command by hand: {process.args!r}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _spread(row: Mapping[str, Any]) -> float:
    return round(float(row["p95_ms"]) / float(row["p50_ms"]), 2)


if __name__ == "__main__":
    main()
