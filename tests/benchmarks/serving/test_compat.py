"""The calls of `make compat` whose clients stand in the development environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.serving.compat import search_calls
from relsearch.live.gateway.config import GatewayConfig, Rules
from tests.live.gateway.canned import canned, hits, http_answer
from tests.live.gateway.running import LastWordScorer, gateway

SEARCH = [each for each in search_calls.CALLS if each[0] in ("elasticsearch", "opensearch-py")]


@contextmanager
def _searched(name: str) -> Iterator[str]:
    page = json.loads(hits())
    nodes: dict[str, Any] = {"nodes": {"a": {"name": "a", "http": {"publish_address": "10.0.0.1:9200"}}}}
    product = "X-Elastic-Product: Elasticsearch\r\n" if name == "elasticsearch" else ""
    answers = {
        "/tea/_search": page,
        "/_msearch": {"took": 1, "responses": [page, page]},
        "/_nodes/_all/http": nodes,
    }
    config = GatewayConfig(index={"tea": Rules(original=True, budget_ms=20_000)})
    with (
        canned(
            {path: http_answer(json.dumps(each).encode(), headers=product) for path, each in answers.items()}
        ) as engine,
        gateway(engine.url, LastWordScorer(), config=config) as url,
    ):
        yield url


@pytest.mark.parametrize(("package", "name", "what", "call"), SEARCH, ids=[f"{each[1]} {each[2]}" for each in SEARCH])
def test_search_clients(package: str, name: str, what: str, call: search_calls.Call) -> None:
    """Get reranked hits through the gateway."""
    with _searched(name) as url:
        assert search_calls.RANK in call(url)["fields"]
