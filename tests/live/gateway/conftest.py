"""A real engine with forty documents; one server runs at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.index import conftest as engines

INDEX = "sea"


@pytest.fixture(scope="session", params=["elasticsearch", "opensearch"])
def engine(request: pytest.FixtureRequest, servers: Path) -> Iterator[tuple[str, str]]:
    """The name and the URL of a real engine."""
    for url in engines._serve([sys.executable, str(servers / "start.py"), request.param]):
        yield request.param, url


@pytest.fixture(scope="session")
def sea(engine: tuple[str, str]) -> str:
    """The URL of an engine whose index `sea` holds documents 0..39; BM25 ranks them by number, the scorer backwards."""
    _, url = engine
    fields = {"tag": {"type": "keyword"}, "title": {"type": "text"}, "text": {"type": "text"}}
    body = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": {"properties": fields}}
    lines = []
    for number in range(40):
        words = " ".join(["tides"] * (40 - number) + ["rest"] * number)
        source = {
            "title": "Sea",
            "text": f"{words} {number}",
            "tag": f"t{number % 4}",
            "nested": {"a": 1, "b": [2]},
            "flat.a": 1,
        }
        lines += [{"index": {"_index": INDEX, "_id": str(number)}}, source]
    with httpx.Client(base_url=url, timeout=60) as client:
        client.put(f"/{INDEX}", json=body).raise_for_status()
        content = "".join(json.dumps(line) + "\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson"}
        client.post("/_bulk?refresh=true", content=content, headers=headers).raise_for_status()
    return url
