"""A real server behind the gateway is killed, and comes back on its old address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.gateway.running import LastWordScorer, gateway

BODY = {"query": {"match": {"text": "tides"}}, "size": 3, "ext": {"relsearch": {"budget_ms": 20_000}}}


def test_a_killed_engine_costs_only_the_searches_of_its_absence(tmp_path: Path) -> None:
    """Clear errors while it is away, soon given; reranked hits again once it is back, from the same gateway."""
    port = _free_port()
    with httpx.Client(timeout=30) as client, _engine(tmp_path, port) as (engine, process):
        _fill(client, engine)
        with gateway(engine, LastWordScorer()) as url:
            assert _ids(client.post(f"{url}/sea/_search", json=BODY)) == ["4", "3", "2"]
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for path in ("/sea/_search", "/sea/_count"):
                started = time.monotonic()
                away = client.post(url + path, json=BODY if path == "/sea/_search" else {})
                assert away.status_code == 502
                assert "is the engine running?" in away.json()["error"]["reason"]
                assert time.monotonic() - started < 5
            with _engine(tmp_path, port):
                _fill(client, engine)  # that server keeps its last writes in memory
                assert _ids(client.post(f"{url}/sea/_search", json=BODY)) == ["4", "3", "2"]


def _fill(client: httpx.Client, engine: str) -> None:
    lines = [json.dumps(row) + "\n" for n in range(5) for row in ({"index": {"_id": str(n)}}, {"text": f"tides {n}"})]
    headers = {"Content-Type": "application/x-ndjson"}
    client.post(f"{engine}/sea/_bulk?refresh=true", content="".join(lines), headers=headers).raise_for_status()


def _ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [hit["_id"] for hit in response.json()["hits"]["hits"]]


@contextmanager
def _engine(folder: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Yield the URL and the process of a small Elasticsearch-compatible server that keeps its data in a folder."""
    options = ["--only", "elasticsearch", "--host", "127.0.0.1", "--elasticsearch-port", str(port)]
    command = [str(Path(sys.executable).parent / "noida-db"), "start", *options, "--data-dir", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert any("http://" in line for line in process.stdout)
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
