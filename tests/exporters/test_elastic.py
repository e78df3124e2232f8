"""Attaching to Elasticsearch: the bodies, what is checked first, and a real server that searches through it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from relsearch.config import IndexConfig
from relsearch.errors import ConfigError, SearchEngineError
from relsearch.exporters import elastic
from relsearch.index.ingest import ingest
from relsearch.index.registry import open_server
from relsearch.template import DEFAULT_TEMPLATE
from relsearch.types import Document
from relsearch.wire import Json, Reply, Server
from tests.rerank_server import RerankServer, serving_scores

SERVICES = ["hugging_face", "custom", "cohere"]
KEY = "s3cret"
INDEX = "attached"
DOCUMENTS = [Document(f"d{n:03}", {"title": f"Tea {n}", "text": "tea " * (1 + n % 7)}) for n in range(120)]


def by_number(query: str, texts: Sequence[str]) -> list[float]:
    """The order that no BM25 gives: the higher the number in a title, the better."""
    numbers = [int(text.split()[1]) if text.startswith("Tea ") else 0 for text in texts]
    return [(number + 1) / 200 for number in numbers]


def licensed(kind: str, status: str = "active") -> Server:
    """A cluster that knows its licence alone."""

    def send(method: str, path: str, body: Json | None) -> Reply:
        assert (method, path) == ("GET", "/_license")
        return Reply(200, {"license": {"type": kind, "status": status}})

    return Server("elasticsearch", "http://es:9200", send, lambda actions: iter(()))


@pytest.mark.parametrize("service", SERVICES)
def test_no_generated_body_has_top_n(service: str) -> None:
    """A top_n would cut the answer below the number of documents, which Elasticsearch refuses."""
    made = elastic.endpoint("r", service=service, service_url="http://s:8080/", key=KEY)
    assert "top_n" not in json.dumps([made.body, elastic.example("r", "body").body])
    assert made.path == "/_inference/rerank/r"
    assert made.body["service_settings"]["url"] == f"http://s:8080{'' if service == 'hugging_face' else '/v2'}/rerank"


def test_the_custom_request_is_a_template_of_whole_json_values() -> None:
    """Filled in as Elasticsearch does, it is the Cohere request; no template is left undefined."""
    settings = elastic.endpoint("r", service="custom", service_url="http://s:8080", key=KEY).body["service_settings"]
    filled = settings["request"].replace("${query}", json.dumps('a "b"')).replace("${input}", json.dumps(["x\ny"]))
    assert json.loads(filled) == {"model": "relsearch", "query": 'a "b"', "documents": ["x\ny"]}
    assert KEY not in json.dumps({**settings, "secret_parameters": {}})


@pytest.mark.parametrize("url", ["s:8080", "ftp://s", "http://", "http://user:pw@s", "http://s?key=1"])
def test_a_service_url_is_a_plain_http_url(url: str) -> None:
    """Keys and credentials never come in by the URL."""
    with pytest.raises(ConfigError, match="RELSEARCH_API_KEY"):
        elastic.endpoint("r", service="custom", service_url=url, key=KEY)


@pytest.mark.parametrize(("kind", "status"), [("basic", "active"), ("platinum", "active"), ("trial", "expired")])
def test_a_licence_that_does_not_suffice_is_named_with_the_ways_out(kind: str, status: str) -> None:
    """Before anything is made, the error says what is missing and what works without it."""
    with pytest.raises(SearchEngineError, match=rf"licence is {kind} \({status}\).*start_trial.*relsearch gateway"):
        elastic.attach(
            licensed(kind, status), "r", service="custom", service_url="http://s:8080", key=KEY, field="body"
        )


@pytest.fixture
def service() -> Iterator[RerankServer]:
    """A reranking service that wants a key."""
    with serving_scores(by_number, key=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(trial_url: str) -> Server:
    """A real Elasticsearch with 120 documents that hold the same word."""
    server = open_server("elasticsearch", trial_url)
    ingest(DOCUMENTS, server, index=IndexConfig(url=trial_url, name=INDEX), template=DEFAULT_TEMPLATE)
    return server


def _attach(cluster: Server, service: RerankServer, kind: str, *, key: str = KEY) -> bool:
    name = f"r-{kind}"
    done = elastic.attach(cluster, name, service=kind, service_url=service.url, key=key, field="contents")
    return done.created


def _search(cluster: Server, kind: str, *, allow_failures: bool, size: int = 100) -> Reply:
    generated = json.dumps(elastic.example(f"r-{kind}", "contents").body)
    body: dict[str, Any] = json.loads(generated.replace("YOUR QUERY", "tea"))
    body["retriever"]["text_similarity_reranker"]["allow_rerank_failures"] = allow_failures
    return cluster.send("POST", f"/{INDEX}/_search", {**body, "size": size})


@pytest.mark.live
@pytest.mark.parametrize("kind", SERVICES)
def test_a_real_cluster_ranks_by_the_service(cluster: Server, service: RerankServer, kind: str) -> None:
    """100 documents go out in one call and come back in the service's order, with 1 + its score, within 10 s."""
    assert _attach(cluster, service, kind)
    try:
        assert not _attach(cluster, service, kind)
        service.requests.clear()
        reply = _search(cluster, kind, allow_failures=False)
        assert reply.ok, reply.reason
        ((_, asked),) = service.requests
        texts = asked["texts" if kind == "hugging_face" else "documents"]
        assert len(texts) == 100
        expected = sorted(by_number("tea", texts), reverse=True)
        hits = reply.body["hits"]["hits"]
        assert [hit["_score"] for hit in hits] == pytest.approx([1 + score for score in expected], abs=1e-6)
        assert [hit["_id"] for hit in hits] == sorted((hit["_id"] for hit in hits), reverse=True)
        assert reply.body["took"] < 10_000
    finally:
        assert elastic.detach(cluster, f"r-{kind}")
    assert not elastic.detach(cluster, f"r-{kind}")


@pytest.mark.live
@pytest.mark.parametrize("kind", SERVICES)
def test_a_dead_service_fails_a_real_search_unless_that_is_allowed(
    cluster: Server, service: RerankServer, kind: str
) -> None:
    """Without the flag the search is an error that names the reranker; with it, as generated, the engine's order."""
    _attach(cluster, service, kind)
    try:
        plain = cluster.ask("POST", f"/{INDEX}/_search", {"query": {"match": {"contents": "tea"}}, "size": 10})
        service.shutdown()
        service.server_close()
        failed = _search(cluster, kind, allow_failures=False)
        assert failed.status == 500
        assert "text_similarity_reranker" in failed.reason
        allowed = _search(cluster, kind, allow_failures=True, size=10)
        assert allowed.ok, allowed.reason
        ids = [hit["_id"] for hit in allowed.body["hits"]["hits"]]
        assert ids == [hit["_id"] for hit in plain["hits"]["hits"]]
    finally:
        elastic.detach(cluster, f"r-{kind}")


@pytest.mark.live
def test_a_failed_probe_leaves_no_endpoint_on_a_real_cluster(cluster: Server, service: RerankServer) -> None:
    """A wrong key, or scores outside (0, 1), and nothing stands afterwards."""
    with pytest.raises(SearchEngineError, match=r"(?i)authentication|401"):
        _attach(cluster, service, "custom", key="other")
    service.score = lambda query, texts: [1.5] * len(texts)
    with pytest.raises(SearchEngineError, match="between 0 and 1"):
        _attach(cluster, service, "custom")
    assert cluster.send("GET", "/_inference/rerank/r-custom", None).status == 404


@pytest.mark.live
def test_an_endpoint_to_another_service_is_not_replaced(cluster: Server, service: RerankServer) -> None:
    """The error names the URL that stands there and how to take it away."""
    _attach(cluster, service, "custom")
    try:
        with serving_scores(by_number, key=KEY) as other, pytest.raises(SearchEngineError, match="relsearch detach"):
            _attach(cluster, other, "custom")
    finally:
        elastic.detach(cluster, "r-custom")


@pytest.mark.live
def test_a_real_basic_licence_is_refused_before_anything_is_made(elasticsearch_url: str) -> None:
    """The check reads a real server's licence."""
    server = open_server("elasticsearch", elasticsearch_url)
    with pytest.raises(SearchEngineError, match="licence is basic"):
        elastic.attach(server, "r", service="custom", service_url="http://127.0.0.1:9", key=KEY, field="body")
    assert server.send("GET", "/_inference/rerank/r", None).status == 404
