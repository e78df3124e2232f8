"""What does not concern the reranker passes through real engines' APIs untouched, and their clients notice nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.gateway.calls import Reply, calls, replies
from tests.gateway.running import LastWordScorer, gateway
from tests.gateway.same import differences

pytestmark = pytest.mark.live


def test_recorded_calls_pass_byte_for_byte(engine: tuple[str, str]) -> None:
    """Status, headers and body of each call are those of direct calls."""
    name, url = engine
    rounds = [[reply for _, reply in replies(url, name)] for _ in range(3)]
    with gateway(url, LastWordScorer()) as through:
        passed = list(replies(through, name))
    assert len(passed) == len(calls(name)) >= 60
    wrong = [
        f"{call.method} {call.path}: {difference}"
        for (call, reply), *direct in zip(passed, *rounds, strict=True)
        for difference in differences(direct, reply)
    ]
    assert wrong == []


def test_a_difference_is_seen() -> None:
    """The comparison forgives what differs directly, and nothing else."""
    direct = [Reply(200, "OK", {"x": "1"}, b'{"took":%d,"id":"%s","n":5}' % (n, n * b"a")) for n in (1, 2)]
    assert differences(direct, Reply(200, "OK", {"x": "1"}, b'{"took":3,"id":"b","n":5}')) == []
    for wrong in (
        replace(direct[0], status=201),
        replace(direct[0], headers={}),
        replace(direct[0], headers={"x": "1", "y": "2"}),
        replace(direct[0], body=b'{"took":3,"id":"b","n":6}'),
        replace(direct[0], body=b'{"took":3,"id":"b","n":5 }'),
    ):
        assert differences(direct, wrong) != []


def test_the_official_client_works_unchanged(engine: tuple[str, str], sea: str) -> None:
    """Its product check, bulk helper, errors, scan and compressed bodies; and a reranked search."""
    name, _ = engine
    with gateway(sea, LastWordScorer()) as url:
        client, helpers, missing = _official(name, url)
        assert client.info()["version"]["number"] == _official(name, sea)[0].info()["version"]["number"]
        actions = [{"_index": "clients", "_id": str(n), "text": f"tides {n}"} for n in range(30)]
        assert helpers.bulk(client, actions, refresh=True) == (30, [])
        assert client.count(index="clients")["count"] == 30
        assert sum(1 for _ in helpers.scan(client, index="clients", size=7)) == 30
        with pytest.raises(missing):
            client.get(index="clients", id="absent")
        assert not client.indices.exists(index="absent")
        body = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": 20_000}}}
        answer = client.search(index="clients", body=body)
        assert [hit["_id"] for hit in answer["hits"]["hits"]] == [str(n) for n in range(29, 19, -1)]
        many = client.msearch(body=[{"index": "clients"}, body])
        assert many["responses"][0]["hits"]["hits"][0]["_id"] == "29"
        client.indices.delete(index="clients")
        client.close()


def _official(name: str, url: str) -> tuple[Any, Any, type[Exception]]:
    if name == "elasticsearch":
        elasticsearch = pytest.importorskip("elasticsearch")
        helpers = pytest.importorskip("elasticsearch.helpers")
        return elasticsearch.Elasticsearch(url, http_compress=True), helpers, elasticsearch.NotFoundError
    opensearchpy = pytest.importorskip("opensearchpy")
    return opensearchpy.OpenSearch(url, http_compress=True), opensearchpy.helpers, opensearchpy.NotFoundError
