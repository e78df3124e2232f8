"""A reranker's endpoint, in the requests and answers of text-embeddings-inference and of Cohere, Jina and vLLM."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from starlette.testclient import TestClient

from relsearch.core.errors import ConfigError, RemoteError
from relsearch.core.settings.config import Config, LabelConfig, RemoteConfig
from relsearch.judge.registry import check_judge
from relsearch.judge.remote.endpoint import KEY_VARIABLE
from relsearch.judge.remote.rerank_endpoint import RerankEndpoint
from relsearch.live.service.app import create_app
from relsearch.live.service.settings import read_settings
from relsearch.rerank.reranker import Reranker
from tests.judge.chat_server import Answer, Request, serving
from tests.rerank.fake_scorer import OverlapScorer

QUERY = "why do cats purr"
TEXTS = [f"cats purr {'why ' * (number % 2)}{number}" for number in range(70)]
CONFIG = RemoteConfig(attempts=1)


def _rows(texts: Sequence[str], name: str) -> list[dict[str, float]]:
    """Scores of texts, the best first, as services give them."""
    rows = [{"index": place, name: score} for place, score in enumerate(OverlapScorer().score(QUERY, texts))]
    return sorted(rows, key=lambda row: -row[name])


def _tei(request: Request) -> Answer:
    if "texts" not in request.body:
        return Answer({"error": "missing field `texts`"}, 422)
    return Answer(_rows(request.body["texts"], "score"))


def _cohere(request: Request) -> Answer:
    if "documents" not in request.body:
        return Answer({"message": "documents is required"}, 400)
    return Answer({"results": _rows(request.body["documents"], "relevance_score")[: request.body["top_n"]]})


@pytest.mark.parametrize("respond", [_tei, _cohere])
def test_scores_come_in_the_order_of_the_texts(respond: type) -> None:
    """Both kinds of service are spoken to in their own way, 32 texts a request."""
    with serving(respond) as server:
        scorer = RerankEndpoint(f"{server.url}/rerank", CONFIG)
        assert scorer.score(QUERY, TEXTS) == OverlapScorer().score(QUERY, TEXTS)
        assert scorer.score(QUERY, []) == []
        sizes = [len(request.body.get("texts") or request.body.get("documents") or ()) for request in server.requests]
        assert max(sizes) == 32
        assert {request.path for request in server.requests} == {"/v1/rerank"}


def test_relsearch_s_own_service_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scores are those of its reranker; model and key are sent along."""
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with TestClient(create_app(Reranker(OverlapScorer()), read_settings())) as client:

        def respond(request: Request) -> Answer:
            assert request.headers["Authorization"] == "Bearer secret"
            found = client.post("/rerank", json=dict(request.body))
            return Answer(found.json(), found.status_code)

        with serving(respond) as server:
            scorer = RerankEndpoint(f"{server.url}/rerank", CONFIG.model_copy(update={"model": "theirs"}))
            assert scorer.score(QUERY, TEXTS) == pytest.approx(OverlapScorer().score(QUERY, TEXTS), abs=1e-6)
            assert {request.body["model"] for request in server.requests} == {"theirs"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"results": [{"index": 0, "relevance_score": 4.2}]}, r"no scores in \[0, 1\]"),
        ({"results": []}, "0 scores for 1 text;"),
        ({"results": [{"index": 1, "relevance_score": 0.5}]}, "1 score for 1 text;"),
    ],
)
def test_what_is_no_probability_of_each_text_is_refused(answer: object, said: str) -> None:
    """Logits, missing rows and rows of no text are one clear error each."""
    with serving(lambda _: Answer(answer)) as server, pytest.raises(RemoteError, match=said):
        RerankEndpoint(f"{server.url}/rerank", CONFIG)


def test_an_address_is_checked() -> None:
    """One with a key in it is refused unseen, before it is asked; a silent one is named."""
    for address in ("http://me:key@127.0.0.1/rerank", "http://127.0.0.1/rerank?key=key"):
        with pytest.raises(ConfigError, match="no address; give http") as caught:
            RerankEndpoint(address, CONFIG)
        assert address not in str(caught.value)
    with pytest.raises(ConfigError, match="no address; give http"):
        check_judge(Config(label=LabelConfig(judge="reranker:http://127.0.0.1/rerank?key=key")))
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9/rerank: .*set \[label\] judge"):
        RerankEndpoint("http://127.0.0.1:9/rerank", CONFIG)
