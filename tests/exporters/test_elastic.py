"""Attaching to Elasticsearch: the bodies, what is checked first, and a real server that searches through it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from relsearch.core.errors import ConfigError, SearchEngineError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document
from relsearch.exporters import elastic
from relsearch.index.engine.http import Json, Reply, Server
from relsearch.index.engine.ingest import ingest
from relsearch.index.registry import open_server
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from tests.live.service.process import served, wait_for
from tests.rerank_server import serving_scores

SERVICES = ["hugging_face", "custom", "cohere"]
KEY = "s3cret"
INDEX = "attached"
_WORDS = ["cat", "moon", "salt", "sky", "sun", "wind", "air", "water", "food", "eyes", "two"]
DOCUMENTS = [
    Document(f"d{n:03}", {"title": f"Tea {n}", "text": "tea " * (1 + n % 7) + _WORDS[n % len(_WORDS)]})
    for n in range(120)
]


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


def test_a_service_may_stand_below_a_path() -> None:
    """As a proxy serves it beside others."""
    for url in ("https://proxy/reranker", "https://proxy/reranker/"):
        made = elastic.endpoint("r", service="hugging_face", service_url=url, key=KEY)
        assert made.body["service_settings"]["url"] == "https://proxy/reranker/rerank"


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


def test_only_endpoints_to_a_service_of_ours_are_attached_names() -> None:
    """Elasticsearch comes with rerankers of its own, and the same services lead to their makers."""
    ours = [elastic.endpoint(f"r-{kind}", service=kind, service_url="http://s", key=KEY) for kind in SERVICES]
    endpoints = [{"inference_id": each.path.rpartition("/")[2], **each.body} for each in ours]
    endpoints += [
        {"inference_id": ".rerank-v1-elasticsearch", "service": "elasticsearch", "service_settings": {}},
        {"inference_id": "theirs", "service": "cohere", "service_settings": {"model_id": "rerank-v3.5"}},
    ]

    def send(method: str, path: str, body: Json | None) -> Reply:
        assert (method, path) == ("GET", "/_inference/rerank/_all")
        return Reply(200, {"endpoints": endpoints})

    cluster = Server("elasticsearch", "http://es:9200", send, lambda actions: iter(()))
    assert elastic.attached_names(cluster) == ["r-cohere", "r-custom", "r-hugging_face"]


@pytest.fixture(scope="module")
def service(tiny_bundles: dict[str, Path]) -> Iterator[httpx.Client]:
    """A client of the real service of a bundle; it wants a key."""
    with served(tiny_bundles["fp32"], RELSEARCH_API_KEY=KEY) as (_, client):
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


@pytest.fixture(scope="module")
def cluster(trial_url: str) -> Server:
    """A real Elasticsearch with 120 documents that hold the same word."""
    server = open_server("elasticsearch", trial_url)
    ingest(DOCUMENTS, server, index=IndexConfig(url=trial_url, name=INDEX), template=DEFAULT_TEMPLATE)
    return server


def _attach(cluster: Server, url: httpx.URL | str, kind: str, *, key: str = KEY) -> bool:
    base = str(url).rstrip("/")
    return elastic.attach(cluster, f"r-{kind}", service=kind, service_url=base, key=key, field="contents").created


def _search(cluster: Server, kind: str, *, allow_failures: bool, size: int = 100) -> Reply:
    generated = json.dumps(elastic.example(f"r-{kind}", "contents").body)
    body: dict[str, Any] = json.loads(generated.replace("YOUR QUERY", "tea"))
    body["retriever"]["text_similarity_reranker"]["allow_rerank_failures"] = allow_failures
    return cluster.send("POST", f"/{INDEX}/_search", {**body, "size": size})


def _engine_order(cluster: Server, size: int) -> list[str]:
    body = {"query": {"match": {"contents": "tea"}}, "size": size}
    return [hit["_id"] for hit in cluster.ask("POST", f"/{INDEX}/_search", body)["hits"]["hits"]]


def _counted(service: httpx.Client, path: str) -> tuple[float, float]:
    """How many requests to a path were answered, and how many documents on all paths."""
    lines = [line.rpartition(" ") for line in service.get("/metrics").text.splitlines()]
    numbers = {name: float(number) for name, _, number in lines if name.startswith("relsearch_") and number}
    answered = numbers.get(f'relsearch_requests_total{{path="{path}",status="200"}}', 0.0)
    return answered, numbers["relsearch_documents_total"]


@pytest.mark.live
@pytest.mark.parametrize("kind", SERVICES)
def test_a_real_cluster_ranks_by_the_real_service(
    cluster: Server, service: httpx.Client, tiny_bundles: dict[str, Path], kind: str
) -> None:
    """100 documents go out in one call and come back in the bundle's own order, with 1 + its score, within 10 s."""
    assert _attach(cluster, service.base_url, kind)
    try:
        assert not _attach(cluster, service.base_url, kind)
        assert f"r-{kind}" in elastic.attached_names(cluster)
        path = "/rerank" if kind == "hugging_face" else "/v2/rerank"
        requests, documents = _counted(service, path)
        reply = _search(cluster, kind, allow_failures=False)
        assert reply.ok, reply.reason
        assert _counted(service, path) == (requests + 1, documents + 100)
        hits = reply.body["hits"]["hits"]
        ids, found = [hit["_id"] for hit in hits], [hit["_score"] - 1 for hit in hits]
        assert sorted(ids) == sorted(_engine_order(cluster, 100))
        assert ids != _engine_order(cluster, 100)
        own = OnnxScorer.open(tiny_bundles["fp32"]).score("tea", [hit["_source"]["contents"] for hit in hits])
        assert found == pytest.approx(own, abs=1e-5)
        assert found == sorted(found, reverse=True)
        assert max(own) - min(own) > 0.01  # else any order would do
        assert reply.body["took"] < 10_000
    finally:
        assert elastic.detach(cluster, f"r-{kind}")
    assert not elastic.detach(cluster, f"r-{kind}")
    assert f"r-{kind}" not in elastic.attached_names(cluster)


@pytest.mark.live
@pytest.mark.parametrize("kind", SERVICES)
def test_a_dead_service_fails_a_real_search_unless_that_is_allowed(
    cluster: Server, tiny_bundles: dict[str, Path], kind: str
) -> None:
    """Without the flag the search is an error that names the reranker; with it, as generated, the engine's order."""
    try:
        with served(tiny_bundles["fp32"], RELSEARCH_API_KEY=KEY) as (_, client):
            _attach(cluster, client.base_url, kind)
        failed = _search(cluster, kind, allow_failures=False)
        assert failed.status == 500
        assert "text_similarity_reranker" in failed.reason
        allowed = _search(cluster, kind, allow_failures=True, size=10)
        assert allowed.ok, allowed.reason
        assert [hit["_id"] for hit in allowed.body["hits"]["hits"]] == _engine_order(cluster, 10)
    finally:
        elastic.detach(cluster, f"r-{kind}")


@pytest.mark.live
def test_a_failed_probe_leaves_no_endpoint_on_a_real_cluster(cluster: Server, service: httpx.Client) -> None:
    """A wrong key, or scores outside (0, 1), and nothing stands afterwards."""
    with pytest.raises(SearchEngineError, match=r"(?i)authentication|401"):
        _attach(cluster, service.base_url, "custom", key="other")
    with (
        serving_scores(lambda query, texts: [1.5] * len(texts), key=KEY) as wrong,
        pytest.raises(SearchEngineError, match="between 0 and 1"),
    ):
        _attach(cluster, wrong.url, "custom")
    assert cluster.send("GET", "/_inference/rerank/r-custom", None).status == 404


@pytest.mark.live
def test_an_endpoint_to_another_service_is_not_replaced(cluster: Server, service: httpx.Client) -> None:
    """The error names the URL that stands there and how to take it away."""
    _attach(cluster, service.base_url, "custom")
    try:
        with pytest.raises(SearchEngineError, match=rf"{service.base_url}.*relsearch detach"):
            _attach(cluster, "http://127.0.0.1:9", "custom")
    finally:
        elastic.detach(cluster, "r-custom")


@pytest.mark.live
def test_a_real_basic_licence_is_refused_before_anything_is_made(elasticsearch_url: str) -> None:
    """The check reads a real server's licence."""
    server = open_server("elasticsearch", elasticsearch_url)
    wait_for(lambda: server.send("GET", "/_license", None).ok)  # written soon after the node answers
    with pytest.raises(SearchEngineError, match="licence is basic"):
        elastic.attach(server, "r", service="custom", service_url="http://127.0.0.1:9", key=KEY, field="body")
    assert server.send("GET", "/_inference/rerank/r", None).status == 404
