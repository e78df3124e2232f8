"""A real server behind the gateway is killed, and comes back on its old address."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import httpx

from tests.index.conftest import compatible, started
from tests.live.gateway.running import LastWordScorer, gateway
from tests.live.service.process import free_port

BODY = {"query": {"match": {"text": "tides"}}, "size": 3, "ext": {"relsearch": {"budget_ms": 20_000}}}


def test_a_killed_engine_costs_only_the_searches_of_its_absence(tmp_path: Path) -> None:
    """Clear errors while it is away, soon given; reranked hits again once it is back, from the same gateway."""
    command = compatible(tmp_path, port=free_port())
    with httpx.Client(timeout=30) as client, started(command) as (engine, process):
        _fill(client, engine)
        with gateway(engine, LastWordScorer()) as url:
            assert _ids(client.post(f"{url}/sea/_search", json=BODY)) == ["4", "3", "2"]
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for path in ("/sea/_search", "/sea/_count"):
                began = time.monotonic()
                away = client.post(url + path, json=BODY if path == "/sea/_search" else {})
                assert away.status_code == 502
                assert "is the engine running?" in away.json()["error"]["reason"]
                assert time.monotonic() - began < 5
            with started(command):
                _fill(client, engine)  # that server keeps its last writes in memory
                assert _ids(client.post(f"{url}/sea/_search", json=BODY)) == ["4", "3", "2"]


def _fill(client: httpx.Client, engine: str) -> None:
    lines = [json.dumps(row) + "\n" for n in range(5) for row in ({"index": {"_id": str(n)}}, {"text": f"tides {n}"})]
    headers = {"Content-Type": "application/x-ndjson"}
    client.post(f"{engine}/sea/_bulk?refresh=true", content="".join(lines), headers=headers).raise_for_status()


def _ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [hit["_id"] for hit in response.json()["hits"]["hits"]]
