"""Attaching to OpenSearch, by the plugin's written contract and against a server without the plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError, SearchEngineError
from relsearch.exporters import opensearch
from relsearch.index.registry import open_server
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from tests.command import relsearch
from tests.exporters.ml_commons import MlCommons, running_ml_commons
from tests.live.service.process import served
from tests.rerank.fake_scorer import OverlapScorer
from tests.rerank_server import RerankServer, serving_scores

KEY = "s3cret"


@pytest.fixture
def service() -> Iterator[RerankServer]:
    """A reranking service that wants a key."""
    with serving_scores(OverlapScorer().score, key=KEY) as server:
        yield server


@pytest.fixture
def cluster(service: RerankServer) -> Iterator[MlCommons]:
    """A cluster that trusts the service."""
    with running_ml_commons() as server:
        server.settings["plugins.ml_commons.trusted_connector_endpoints_regex"].append(f"^{service.url}/.*$")
        server.settings["plugins.ml_commons.connector.private_ip_enabled"] = "true"
        yield server


def _attach(cluster: MlCommons, service: RerankServer, **changed: object) -> bool:
    wanted = {"service_url": service.url, "key": KEY, "fields": ("title", "body"), **changed}
    attach = partial(opensearch.attach, open_server("opensearch", cluster.url), "relsearch")
    return attach(**wanted).created  # type: ignore[arg-type]


def test_attaching_makes_connector_model_and_pipeline(cluster: MlCommons, service: RerankServer) -> None:
    """All three stand, the pipeline reads the fields by the model, and the probe went through the plugin."""
    assert _attach(cluster, service)
    (model_id,) = cluster.kept["models"]
    (processor,) = cluster.kept["pipelines"]["relsearch"]["response_processors"]
    assert processor["rerank"]["ml_opensearch"] == {"model_id": model_id}
    assert processor["rerank"]["context"] == {"document_fields": ["title", "body"]}
    (path, body), *_ = service.requests
    assert path == "/v1/rerank"
    assert body["top_n"] == len(body["documents"]) == 3


def test_a_prediction_gives_the_real_services_scores(cluster: MlCommons, tiny_bundles: dict[str, Path]) -> None:
    """What the plugin reads from `relsearch serve` are the bundle's own scores, text by text."""
    texts = ["a cat purrs", "", 'green "tea"\n', "sea water holds salt"]
    with served(tiny_bundles["fp32"], RELSEARCH_API_KEY=KEY) as (_, client):
        url = str(client.base_url).rstrip("/")
        cluster.settings["plugins.ml_commons.trusted_connector_endpoints_regex"].append(f"^{url}/.*$")
        server = open_server("opensearch", cluster.url)
        opensearch.attach(server, "relsearch", service_url=url, key=KEY, fields=("title",))
        (model_id,) = cluster.kept["models"]
        body = {"query_text": "why does a cat purr", "text_docs": texts}
        found = server.ask("POST", f"/_plugins/_ml/_predict/text_similarity/{model_id}", body)["inference_results"]
    scores = [tensor["data"][0] for tensor in found[0]["output"]]
    own = OnnxScorer.open(tiny_bundles["fp32"]).score("why does a cat purr", texts)
    assert scores == pytest.approx(own, abs=1e-6)
    assert len(set(scores)) == len(texts)


def test_attaching_again_changes_nothing(cluster: MlCommons, service: RerankServer) -> None:
    """The second call makes nothing, but probes."""
    assert _attach(cluster, service)
    changes, asked = list(cluster.changes), len(service.requests)
    assert not _attach(cluster, service)
    assert cluster.changes == changes
    assert len(service.requests) == asked + 1


def test_other_fields_replace_the_pipeline_alone(cluster: MlCommons, service: RerankServer) -> None:
    """Connector and model stay as they are."""
    _attach(cluster, service)
    assert _attach(cluster, service, fields=("body",))
    assert len(cluster.kept["connectors"]) == len(cluster.kept["models"]) == 1
    assert cluster.changes[-1] == "PUT /_search/pipeline/relsearch"


def test_detaching_takes_all_of_it_away(cluster: MlCommons, service: RerankServer) -> None:
    """A deployed model is undeployed first; a second call finds nothing."""
    _attach(cluster, service)
    server = open_server("opensearch", cluster.url)
    assert opensearch.detach(server, "relsearch")
    assert not any(cluster.kept.values())
    assert not opensearch.detach(server, "relsearch")


def test_detaching_a_name_that_is_not_attached_lists_those_that_are(cluster: MlCommons, service: RerankServer) -> None:
    """Pipelines, models and connectors of others are not listed."""
    detach = ["detach", "opensearch", "--url", cluster.url, "--name", "reranker"]
    assert relsearch(*detach).stdout == "reranker: was not attached; nothing is attached\n"
    _attach(cluster, service)
    cluster.kept["connectors"]["c"] = {"name": "other", "description": "OpenAI"}
    cluster.kept["pipelines"]["hybrid"] = {"phase_results_processors": []}
    assert relsearch(*detach).stdout == "reranker: was not attached; give one of these as --name: relsearch\n"


def test_a_failing_service_leaves_nothing_behind(cluster: MlCommons, service: RerankServer) -> None:
    """Where the probe fails, what was made for it is removed, and the error says what the service answered."""
    service.status = 424
    with pytest.raises(SearchEngineError, match="asked to fail"):
        _attach(cluster, service)
    assert not any(cluster.kept.values())


def test_a_wrong_key_is_found_by_the_probe(cluster: MlCommons, service: RerankServer) -> None:
    """Attaching never succeeds with a key that the service refuses."""
    with pytest.raises(SearchEngineError, match="wrong key"):
        _attach(cluster, service, key="other")


def test_a_connector_to_another_service_is_not_replaced(cluster: MlCommons, service: RerankServer) -> None:
    """The error names where the standing one leads and how to take it away."""
    _attach(cluster, service)
    with serving_scores(OverlapScorer().score, key=KEY) as other:
        cluster.settings["plugins.ml_commons.trusted_connector_endpoints_regex"].append(f"^{other.url}/.*$")
        with pytest.raises(SearchEngineError, match=rf"leads to {service.url}/v1/rerank; .*relsearch detach"):
            _attach(cluster, other)


def test_an_untrusted_url_names_the_settings_that_help(cluster: MlCommons, service: RerankServer) -> None:
    """What the error says to send is what makes attaching succeed."""
    cluster.settings |= {
        "plugins.ml_commons.trusted_connector_endpoints_regex": [],
        "plugins.ml_commons.connector.private_ip_enabled": "false",
    }
    with pytest.raises(SearchEngineError, match="is not trusted; send: PUT /_cluster/settings") as caught:
        _attach(cluster, service)
    said = json.loads(str(caught.value).partition("/_cluster/settings ")[2])["persistent"]
    cluster.settings |= {name: "true" if value is True else value for name, value in said.items()}
    assert _attach(cluster, service)


def test_a_cluster_without_the_plugin_says_so(cluster: MlCommons, service: RerankServer) -> None:
    """Nothing is sent to a cluster that cannot rerank."""
    cluster.plugins.remove("opensearch-ml")
    with pytest.raises(SearchEngineError, match=r"opensearch-ml is not installed; .*relsearch gateway"):
        _attach(cluster, service)
    assert cluster.changes == []


def test_fields_are_needed(cluster: MlCommons, service: RerankServer) -> None:
    """A pipeline without fields would rerank empty texts."""
    with pytest.raises(ConfigError, match="pass --field"):
        _attach(cluster, service, fields=())


@pytest.mark.live
def test_a_real_opensearch_without_the_plugin_says_so(opensearch_url: str) -> None:
    """The check reads a real server's list of plugins."""
    server = open_server("opensearch", opensearch_url)
    with pytest.raises(SearchEngineError, match="opensearch-ml is not installed"):
        opensearch.attach(server, "relsearch", service_url="http://127.0.0.1:9", key=KEY, fields=("body",))
