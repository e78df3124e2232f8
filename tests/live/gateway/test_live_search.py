"""Reranked searches on real engines, in every variant that the engines' search knows."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from relsearch.live.gateway.config import GatewayConfig, Rules
from tests.live.gateway.running import LastWordScorer, gateway

pytestmark = pytest.mark.live
QUERY = {"query": {"match": {"text": "tides"}}}
ASK: dict[str, Any] = {"ext": {"relsearch": {}}}


@pytest.fixture(scope="module")
def scorer() -> LastWordScorer:
    """Ranks the documents by number, the highest first."""
    return LastWordScorer()


@pytest.fixture(scope="module")
def client(sea: str, scorer: LastWordScorer) -> Iterator[httpx.Client]:
    """A plain client of a gateway that reranks on request, and always on the alias `ocean*`."""
    httpx.put(f"{sea}/sea/_alias/ocean").raise_for_status()
    rules = GatewayConfig(index={"ocean*": Rules(window=20, budget_ms=20_000)})
    with gateway(sea, scorer, config=rules) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def _search(client: httpx.Client, body: dict[str, Any], path: str = "/sea/_search") -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    assert response.headers["X-Relsearch"].startswith("reranked; read="), response.headers["X-Relsearch"]
    return dict(response.json())


def _ids(answer: dict[str, Any]) -> list[int]:
    return [int(hit["_id"]) for hit in answer["hits"]["hits"]]


def test_a_search_that_asks_for_it_is_reranked(client: httpx.Client) -> None:
    """The order and `_score` are the reranker's, the rest of the answer the engine's."""
    answer = _search(client, QUERY | ASK)
    assert _ids(answer) == list(range(39, 29, -1))
    assert answer["hits"]["hits"][0]["_score"] == answer["hits"]["max_score"] == 0.04
    assert answer["hits"]["total"] == {"value": 40, "relation": "eq"}


def test_a_configured_index_is_reranked_without_asking(client: httpx.Client) -> None:
    """By its name in the URL; its rules' window holds."""
    assert _ids(_search(client, QUERY, "/ocean/_search")) == list(range(19, 9, -1))
    assert _ids(_search(client, QUERY, "/ocean,ocean/_search")) == list(range(19, 9, -1))


def test_a_search_can_turn_reranking_off(client: httpx.Client) -> None:
    """The engine's order, and no complaint about an ext that it does not know."""
    response = client.post("/ocean/_search", json=QUERY | {"ext": {"relsearch": False}})
    assert _ids(response.json()) == list(range(10))
    assert "X-Relsearch" not in response.headers


def test_pages_continue_each_other(client: httpx.Client) -> None:
    """Within the window by the reranker, past it by the engine, each document once."""
    ask = {"ext": {"relsearch": {"window": 25}}}
    pages = []
    for start in range(0, 40, 10):
        response = client.post("/sea/_search", json={**QUERY, **ask, "from": start, "size": 10})
        pages += _ids(response.json())
    assert pages == [*range(24, -1, -1), *range(25, 40)]
    assert response.headers["X-Relsearch"] == "bypassed; reason=beyond_window"


@pytest.mark.parametrize(
    "source",
    [
        True,
        False,
        "tag",
        ["ta*", "nested.*"],
        ["nested"],
        ["*.b"],
        {"includes": ["nested"], "excludes": ["nested.a"]},
        {"excludes": ["text", "title"]},
        {"excludes": ["nested.*"]},
        {"excludes": ["flat"]},
        ["flat"],
        ["absent"],
        [],
        "*",
    ],
)
def test_the_client_sees_the_source_that_it_asked_for(client: httpx.Client, source: object) -> None:
    """Exactly what the engine itself would show, though more was fetched."""
    body = {**QUERY, "_source": source, "size": 40}
    direct = client.post("/sea/_search", json=body).json()["hits"]["hits"]
    ranked = _search(client, body | ASK)["hits"]["hits"]
    expected = {hit["_id"]: hit.get("_source") for hit in direct}
    assert {hit["_id"]: hit.get("_source") for hit in ranked} == expected


def test_the_other_parts_of_an_answer_are_the_engines(client: httpx.Client) -> None:
    """Aggregations, highlights, suggestions, totals and stored fields are as without the gateway."""
    body = {
        **QUERY,
        "size": 40,
        "track_total_hits": 5,
        "aggs": {"tags": {"terms": {"field": "tag"}}},
        "highlight": {"fields": {"text": {"number_of_fragments": 1}}},
        "suggest": {"s": {"text": "tide", "term": {"field": "text"}}},
        "fields": ["tag"],
        "version": True,
    }
    direct = client.post("/sea/_search", json=body).json()
    ranked = _search(client, body | ASK)
    assert ranked["aggregations"] == direct["aggregations"]
    assert ranked["suggest"] == direct["suggest"]
    assert ranked["hits"]["total"] == direct["hits"]["total"]
    by_id = {hit["_id"]: hit | {"_score": None} for hit in direct["hits"]["hits"]}
    assert {hit["_id"]: hit | {"_score": None} for hit in ranked["hits"]["hits"]} == by_id
    assert list(ranked) == list(direct)


def test_collapsed_hits_are_reranked(client: httpx.Client) -> None:
    """One hit a group, each the engine's best of it."""
    assert _ids(_search(client, {**QUERY, **ASK, "collapse": {"field": "tag"}})) == [3, 2, 1, 0]


def test_the_engines_rank_and_score_come_on_request(client: httpx.Client) -> None:
    """Under the hit's fields."""
    answer = _search(client, {**QUERY, "ext": {"relsearch": {"original": True}}, "size": 1})
    fields = answer["hits"]["hits"][0]["fields"]
    assert fields["relsearch.rank"] == [40]
    assert 0 < fields["relsearch.score"][0] < 1


def test_the_query_text_comes_from_the_ask_or_the_query(client: httpx.Client, scorer: LastWordScorer) -> None:
    """ext.relsearch.query goes first, then q, then the clauses."""
    _search(client, QUERY | {"ext": {"relsearch": {"query": "why tides"}}})
    client.get("/ocean/_search", params={"q": "text:tides AND (at sea)"}).raise_for_status()
    _search(client, {"query": {"match": {"text": "tides today"}}} | ASK)
    client.post("/ocean/_search", json=QUERY, headers={"X-Relsearch-Query": "t%C3%AFdes"}).raise_for_status()
    assert {"why tides", "tides at sea", "tides today", "tïdes"} <= set(scorer.queries)


def test_parameters_of_the_url_are_honoured(client: httpx.Client) -> None:
    """Paging and source filtering as in the body; pretty printing as well."""
    url = "/ocean/_search?from=2&size=3&_source_includes=tag&pretty=true"
    response = client.post(url, json=QUERY)
    assert _ids(response.json()) == [17, 16, 15]
    assert response.json()["hits"]["hits"][0]["_source"] == {"tag": "t1"}
    assert response.text.startswith('{\n  "took"')


def test_a_body_may_stand_in_the_url(client: httpx.Client) -> None:
    """GET with the parameter source, for clients that cannot send a body."""
    parameters = {"source": json.dumps(QUERY | ASK), "source_content_type": "application/json"}
    assert _ids(client.get("/sea/_search", params=parameters).json())[0] == 39


@pytest.mark.parametrize(
    ("encoding", "window"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("deflate", -15), ("x-deflate", 15)]
)
def test_compressed_bodies_are_read(client: httpx.Client, encoding: str, window: int) -> None:
    """As clients send them that were told to compress; the engine reads each form, too."""
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    for asked, first in ((QUERY | ASK, 39), (QUERY, 0)):
        content = zlib.compress(json.dumps(asked).encode(), wbits=window)
        assert _ids(client.post("/sea/_search", content=content, headers=headers).json())[0] == first


def test_a_body_may_begin_with_a_byte_order_mark(client: httpx.Client) -> None:
    """As the engine takes it."""
    for asked, first in ((QUERY | ASK, 39), (QUERY, 0)):
        content = json.dumps(asked).encode("utf-8-sig")
        response = client.post("/sea/_search", content=content, headers={"Content-Type": "application/json"})
        assert _ids(response.json())[0] == first


def _lines(*lines: dict[str, Any]) -> dict[str, Any]:
    content = "".join(json.dumps(line) + "\n" for line in lines)
    return {"content": content, "headers": {"Content-Type": "application/x-ndjson"}}


def test_each_search_of_a_multi_search_is_decided_by_itself(client: httpx.Client) -> None:
    """Asked for, configured, turned off, none of it, and one that fails."""
    off = {"ext": {"relsearch": False}}
    searches = [({}, QUERY | ASK), ({"index": "ocean"}, QUERY), ({"index": "ocean"}, QUERY | off), ({}, QUERY)]
    failing = ({"index": "absent"}, QUERY | ASK)
    lines = [line for search in [*searches, failing] for line in search]
    response = client.post("/sea/_msearch", **_lines(*lines))
    *answers, failed = response.json()["responses"]
    assert [_ids(answer)[0] for answer in answers] == [39, 19, 0, 0]
    assert failed["status"] == 404
    assert response.headers["X-Relsearch"] == "bypassed; reason=engine_error; searches=1, reranked; searches=2"


def test_a_multi_search_without_a_wish_passes_untouched(client: httpx.Client) -> None:
    """No mark, and the engine's order."""
    response = client.post("/_msearch", **_lines({"index": "sea"}, QUERY))
    assert _ids(response.json()["responses"][0])[0] == 0
    assert "X-Relsearch" not in response.headers


TEMPLATE = {
    "source": '{"query": {"match": {"text": "{{words}}"}}, "size": "{{size}}"}',
    "params": {"words": "tides", "size": 3},
}


def test_search_templates_are_reranked(client: httpx.Client, engine: tuple[str, str]) -> None:
    """The engine renders them first; one or many."""
    if client.post("/sea/_search/template", json=TEMPLATE).status_code != 200:
        pytest.skip(f"this {engine[0]} has no search templates")
    assert _ids(_search(client, TEMPLATE | ASK, "/sea/_search/template")) == [39, 38, 37]
    response = client.post("/sea/_msearch/template", **_lines({}, TEMPLATE | ASK, {}, TEMPLATE))
    assert [_ids(answer)[0] for answer in response.json()["responses"]] == [39, 0]


@pytest.mark.parametrize(
    "extra",
    [
        {"sort": ["tag"]},
        {"rescore": {"query": {"rescore_query": {"match_all": {}}}}},
        {"query": {"match_all": {}}},
        {"query": {"match": {"text": ""}}},
        {"query": {"term": {"tag": "t1"}}},
    ],
)
def test_what_cannot_be_honoured_is_an_error_only_if_strict(client: httpx.Client, extra: dict[str, Any]) -> None:
    """Otherwise the engine's own answer comes, marked, whoever asked; also beside others in a multi-search."""
    body = {**QUERY, **extra}
    direct = client.post("/sea/_search", json=body).json()["hits"]
    for path, asked in (("/sea/_search", body | ASK), ("/ocean/_search", body)):
        passed = client.post(path, json=asked)
        assert passed.json()["hits"] == direct
        assert passed.headers["X-Relsearch"].startswith("bypassed; reason=")
    many = client.post("/sea/_msearch", **_lines({}, body | ASK, {}, QUERY | ASK)).json()["responses"]
    assert many[0]["hits"] == direct
    assert _ids(many[1])[0] == 39
    strict = {**body, "ext": {"relsearch": {"strict": True}}}
    refused = client.post("/sea/_search", json=strict)
    assert refused.status_code == refused.json()["status"] == 400
    assert "ext.relsearch" in refused.json()["error"]["reason"]


def test_other_formats_than_json_pass_untouched(client: httpx.Client) -> None:
    """The client reads YAML where it asked for it."""
    headers = {"Accept": "application/yaml"}
    response = client.post("/sea/_search", json=QUERY | ASK, headers=headers)
    assert response.headers["X-Relsearch"] == "bypassed; reason=accept"
    assert response.text.startswith("---")


def test_answers_are_compressed_where_the_client_takes_it(client: httpx.Client) -> None:
    """As the engine does it, and not otherwise."""
    for encoding in ("gzip", "identity"):
        response = client.post("/sea/_search", json=QUERY | ASK, headers={"Accept-Encoding": encoding})
        assert response.headers.get("Content-Encoding", "identity") == encoding
        assert _ids(response.json())[0] == 39


def test_hits_are_the_engines_own_bytes(client: httpx.Client) -> None:
    """A number of 25 digits, white space and the order of keys come back as they were indexed."""
    source = '{ "text" : "tides 7", "n": 1234567890123456789012345.10, "b":1, "a":2 }'
    client.put("/own", json={"mappings": {"properties": {"text": {"type": "text"}}, "dynamic": False}})
    client.put("/own/_doc/1?refresh=true", content=source, headers={"Content-Type": "application/json"})
    response = client.post("/own/_search", json=QUERY | ASK)
    client.delete("/own")
    assert response.headers["X-Relsearch"] == "reranked; read=1/1"
    assert source in response.text


def test_a_window_that_the_index_forbids_costs_no_search(client: httpx.Client) -> None:
    """The search is sent again as it came."""
    settings = {"index": {"max_result_window": 15}}
    client.put("/sea/_settings", json=settings).raise_for_status()
    try:
        response = client.post("/sea/_search", json=QUERY | ASK)
        many = client.post("/sea/_msearch", **_lines({}, QUERY | ASK))
    finally:
        client.put("/sea/_settings", json={"index": {"max_result_window": None}}).raise_for_status()
    assert _ids(response.json()) == _ids(many.json()["responses"][0]) == list(range(10))
    assert response.headers["X-Relsearch"] == "bypassed; reason=window_refused"
    assert many.headers["X-Relsearch"] == "bypassed; reason=window_refused; searches=1"
    assert "relsearch" not in many.text


def test_errors_of_the_engine_are_the_engines(client: httpx.Client) -> None:
    """An index that is not there, and a query that is none."""
    for path, body in (("/absent/_search", QUERY), ("/sea/_search", {"query": {"nonsense": {}}})):
        direct = client.post(path, json=body)
        ranked = client.post(path, json=body | {"ext": {"relsearch": {"query": "x"}}})
        assert (ranked.status_code, ranked.json()) == (direct.status_code, direct.json())
