"""What clients do besides searching: they page on, sniff, and say the query's words in a header."""

from __future__ import annotations

import json
import zlib
from typing import Any

import httpx
import pytest

from relsearch.live.gateway.config import GatewayConfig, Rules
from tests.live.gateway.canned import HITS, canned, hits, http_answer
from tests.live.gateway.running import LastWordScorer, gateway

SEARCH = b'{"query": {"match": {"text": "tides"}}}'
NODES = {
    "nodes": {
        "a": {"name": "one", "http": {"publish_address": "10.0.0.1:9200", "max_content_length_in_bytes": 7}},
        "b": {"name": "two", "http": {"publish_address": "10.0.0.2:9200"}},
        "c": {"name": "no http"},
    }
}


def test_a_client_that_sniffs_stays_with_the_gateway() -> None:
    """Each node's address is the one that the client knows the gateway by; all else is the engine's."""
    paths = ["/_nodes/http", "/_nodes/_all/http", "/_nodes/http,settings?timeout=2s&flat_settings=true", "/_nodes/"]
    with (
        canned({path: http_answer(json.dumps(NODES).encode()) for path in paths}) as engine,
        gateway(engine.url, LastWordScorer()) as url,
    ):
        for path in paths:
            nodes = httpx.get(url + path).json()["nodes"]
            assert {nodes[name]["http"]["publish_address"] for name in "ab"} == {url.removeprefix("http://")}
            assert nodes["a"]["http"]["max_content_length_in_bytes"] == 7
            assert nodes["c"] == NODES["nodes"]["c"]
        for headers, port in (({}, 80), ({"X-Forwarded-Proto": "https"}, 443)):
            named = httpx.get(url + paths[0], headers={"Host": "search.example", **headers}).json()["nodes"]
            assert named["b"]["http"]["publish_address"] == f"search.example:{port}"


@pytest.mark.parametrize("answer", [b'{"cluster_name": "sea"}', b'{"nodes": []}', b"[]", b"{oops"])
def test_an_answer_that_names_no_nodes_is_the_engines_own(answer: bytes) -> None:
    """The client asked for something else by filter_path."""
    path = "/_nodes/http?filter_path=cluster_name"
    with canned({path: http_answer(answer)}) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.get(url + path)
    assert (response.status_code, response.content) == (200, answer)


@pytest.mark.parametrize("header", [{"index": "sea"}, {"index": ["sea"]}, {"indices": "sea"}, {"indices": ["sea"]}])
def test_a_search_of_many_may_name_its_index_in_either_way(header: dict[str, Any]) -> None:
    """As the engines read it."""
    config = GatewayConfig(index={"sea": Rules(budget_ms=20_000)})
    answer = http_answer(b'{"responses":[' + hits() + b"]}")
    with canned({"/_msearch": answer}) as engine, gateway(engine.url, LastWordScorer(), config=config) as url:
        lines = json.dumps(header).encode() + b"\n" + SEARCH + b"\n"
        response = httpx.post(f"{url}/_msearch", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert response.headers["X-Relsearch"] == "reranked; searches=1"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_type_of_no_body_says_nothing(method: str) -> None:
    """Engines ignore it as well; what the gateway writes is JSON."""
    config = GatewayConfig(index={"sea": Rules(budget_ms=20_000)})
    with (
        canned({"/sea/_search": http_answer(hits()), "/sea/_search?q=tides": http_answer(hits())}) as engine,
        gateway(engine.url, LastWordScorer(), config=config) as url,
    ):
        response = httpx.request(method, f"{url}/sea/_search?q=tides", headers={"Content-Type": "text/plain"})
    assert response.headers["X-Relsearch"] == f"reranked; read={HITS}/{HITS}"
    assert "content-type: application/json" in engine.requests[-1][0].lower()


def test_scores_go_on_falling_past_the_window() -> None:
    """A page that starts there is the engine's own, under scores below those of the pages before."""
    body: dict[str, Any] = {"query": {"match": {"text": "tides"}}, "size": 6, "ext": {"relsearch": {"window": 6}}}
    with canned({"/sea/_search": http_answer(hits())}) as engine, gateway(engine.url, LastWordScorer()) as url:
        first = httpx.post(f"{url}/sea/_search", json={**body, "size": 9}).json()["hits"]["hits"]
        later = httpx.post(f"{url}/sea/_search", json={**body, "from": 7})
    asked = json.loads(engine.requests[-1][1])
    found = later.json()["hits"]["hits"]
    assert later.headers["X-Relsearch"] == "bypassed; reason=beyond_window"
    assert asked == {"query": body["query"], "size": 6, "from": 7}
    assert [hit["_id"] for hit in found] == [str(number) for number in range(HITS)]
    scores = [hit["_score"] for hit in first[:7]] + [hit["_score"] for hit in found]
    assert scores == sorted(scores, reverse=True)
    assert found[0]["_score"] == first[7]["_score"]


def test_a_header_names_the_words_of_each_search() -> None:
    """Of one and of many; the engine never sees it."""
    body = json.dumps({"query": {"match_all": {}}, "ext": {"relsearch": {"budget_ms": 20_000}}})
    answers = {"took": 1, "responses": [json.loads(hits()), json.loads(hits())]}
    scorer = LastWordScorer()
    with (
        canned({"/_msearch": http_answer(json.dumps(answers).encode())}) as engine,
        gateway(engine.url, scorer) as url,
    ):
        lines = f'{{"index": "sea"}}\n{body}\n' * 2
        headers = {"Content-Type": "application/x-ndjson", "X-Relsearch-Query": "high%20tides"}
        response = httpx.post(f"{url}/_msearch", content=lines, headers=headers)
    assert response.headers["X-Relsearch"] == "reranked; searches=2"
    assert set(scorer.queries) == {"high tides"}
    assert "x-relsearch-query" not in engine.requests[-1][0].lower()


@pytest.mark.parametrize(
    ("headers", "content", "mark"),
    [
        ({"Content-Encoding": "deflate"}, zlib.compress(SEARCH), f"reranked; read={HITS}/{HITS}"),
        ({"Content-Encoding": "deflate"}, zlib.compress(SEARCH, wbits=-15), f"reranked; read={HITS}/{HITS}"),
        ({"Content-Encoding": "gzip"}, zlib.compress(SEARCH, wbits=31)[:-9], "bypassed; reason=unread_body"),
        ({"Content-Encoding": "zstd"}, SEARCH, "bypassed; reason=unread_body"),
        ({"Content-Type": "application/smile"}, SEARCH, "bypassed; reason=unread_body"),
    ],
    ids=["zlib", "deflate", "cut short", "zstd", "smile"],
)
def test_a_body_that_cannot_be_read_is_marked(headers: dict[str, str], content: bytes, mark: str) -> None:
    """Of an index that is reranked without asking; it reaches the engine as it came."""
    config = GatewayConfig(index={"sea": Rules(budget_ms=20_000)})
    answers = {path: http_answer(hits()) for path in ("/sea/_search", "/lake/_search")}
    with canned(answers) as engine, gateway(engine.url, LastWordScorer(), config=config) as url:
        sent = {"Content-Type": "application/json", **headers}
        response = httpx.post(f"{url}/sea/_search", content=content, headers=sent)
        assert "X-Relsearch" not in httpx.post(f"{url}/lake/_search", content=content, headers=sent).headers
    assert response.headers["X-Relsearch"] == mark
    assert engine.requests[-1][1] == content
