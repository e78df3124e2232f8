"""`relsearch serve` as a process of its own: a real bundle, no torch, draining, several workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.command import relsearch
from tests.live.service.process import served, wait_for

QUERY = "why does a cat purr"
PROBE = """
import asyncio, sys, httpx
from relsearch.live.service.worker import app_of_environment
async def main():
    app = app_of_environment()
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://s") as client:
        response = await client.post("/rerank", json={"query": "a", "texts": ["how big"]})
    print(response.status_code, *({"torch", "transformers", "sentence_transformers", "polars"} & set(sys.modules)))
asyncio.run(main())
"""


def test_a_request_in_flight_survives_sigterm(tiny_bundles: dict[str, Path]) -> None:
    """On SIGTERM the service answers what it accepted, takes nothing new and ends."""
    texts = [f"{QUERY} {number} " * 9 for number in range(1500)]
    patient = ("--timeout-s", "100", "--drain-s", "100")
    with served(tiny_bundles["fp32"], *patient) as (process, client), ThreadPoolExecutor() as threads:
        answer = threads.submit(lambda: client.post("/rerank", json={"query": QUERY, "texts": texts}))
        wait_for(lambda: "relsearch_waiting_requests 1.0" in client.get("/metrics").text)
        process.send_signal(signal.SIGTERM)
        response = answer.result(timeout=100)
        process.wait(timeout=30)
        assert response.status_code == 200, response.text
        assert len(response.json()) == 1500
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{client.base_url}/health")
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr]
    assert [line["documents"] for line in lines if line.get("path") == "/rerank"] == [1500]
    assert QUERY not in json.dumps(lines)


def test_an_idle_connection_stays_open(tiny_bundles: dict[str, Path]) -> None:
    """A client that keeps a connection for a while finds it open: its next request would fail otherwise."""
    with served(tiny_bundles["fp32"]) as (_, client):
        connection = HTTPConnection(client.base_url.host, client.base_url.port, timeout=20)
        for idle_s in (0, 6):  # uvicorn's own default closes after 5
            time.sleep(idle_s)
            connection.request("GET", "/health")
            assert connection.getresponse().read()
        connection.close()


def test_workers_share_port_and_numbers(tiny_bundles: dict[str, Path]) -> None:
    """Two workers with one key answer on one port, and /metrics sums over both."""
    headers = {"Authorization": "Bearer secret"}
    with served(tiny_bundles["int8"], "--workers", "2", RELSEARCH_API_KEY="secret") as (process, client):
        assert client.get("/info").status_code == 401
        for number in range(12):
            body = {"query": QUERY, "texts": [f"cat {number}"]}
            # A connection each, so that both workers have a chance.
            assert httpx.post(f"{client.base_url}/rerank", json=body, headers=headers).status_code == 200
        numbers = client.get("/metrics", headers=headers).text
        assert client.get("/info", headers=headers).json()["model_id"] == "int8"
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    assert 'relsearch_requests_total{path="/rerank",status="200"} 12.0' in numbers


def test_serving_loads_no_torch(tiny_bundles: dict[str, Path]) -> None:
    """A process that has answered a request holds neither torch nor transformers nor polars."""
    environment = {**os.environ, "RELSEARCH_BUNDLE": str(tiny_bundles["fp32"])}
    output = subprocess.check_output([sys.executable, "-c", PROBE], text=True, env=environment)
    assert output.split() == ["200"]


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--host", "0.0.0.0"], "set RELSEARCH_API_KEY, or pass --insecure"), ([], "bundle.json: No such file")],  # noqa: S104
)
def test_what_cannot_be_served_is_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    """An open address without a key, or a folder that is no bundle, is refused before anything is started."""
    result = relsearch("serve", "--bundle", str(tmp_path), *options)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert message in line
