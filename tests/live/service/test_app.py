"""What the application answers: dialects, options, limits, errors, information."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence

import pytest

from relsearch.live.service.access_log import JsonFormatter
from tests.live.service.harness import GivenScorer, HeldScorer, WordLengths, serving
from tests.rerank.fake_scorer import AwayStoreScorer, OverlapScorer

pytestmark = pytest.mark.anyio
TEXTS = ["c", "a b", "a"]


async def test_results_in_input_order() -> None:
    """sort=false keeps the documents' order, of the best top_n where that is given."""
    async with serving(OverlapScorer()) as client:
        plain = await client.post("/rerank?sort=false", json={"query": "a b", "texts": TEXTS})
        best = await client.post("/v1/rerank?sort=false", json={"query": "a b", "documents": TEXTS[::-1], "top_n": 2})
        wrong = await client.post("/rerank?sort=maybe", json={"query": "a b", "texts": TEXTS})
    assert [row["index"] for row in plain.json()] == [0, 1, 2]
    assert [row["index"] for row in best.json()["results"]] == [0, 1]
    assert wrong.status_code == 422


async def test_equal_scores_keep_input_order() -> None:
    """Ties are broken by the place in the request."""
    async with serving(OverlapScorer()) as client:
        response = await client.post("/rerank", json={"query": "a", "texts": ["x", "y", "a", "z"]})
    assert [row["index"] for row in response.json()] == [2, 0, 1, 3]


async def test_truncation_is_reported_and_counted() -> None:
    """A header tells how many texts were cut, a metric sums them, and truncate=false refuses them."""
    body = {"query": "a b", "texts": ["c", "a b c d", "e f g h"]}
    async with serving(OverlapScorer(), tokens=WordLengths(5)) as client:
        cut = await client.post("/rerank", json=body)
        refused = await client.post("/rerank", json=body | {"truncate": False})
        whole = await client.post("/rerank", json={"query": "a", "texts": ["b"], "truncate": False})
        metrics = (await client.get("/metrics")).text
    assert cut.headers["X-Relsearch-Truncated"] == "2"
    assert (refused.status_code, refused.json()["error_type"]) == (422, "Tokenizer")
    assert whole.headers["X-Relsearch-Truncated"] == "0"
    assert "relsearch_truncated_texts_total 2.0" in metrics


async def test_unknown_tokenizers_report_nothing() -> None:
    """Where nobody counted, there is no header that says none were cut."""
    async with serving(OverlapScorer()) as client:
        response = await client.post("/rerank", json={"query": "a", "texts": ["b"]})
    assert "X-Relsearch-Truncated" not in response.headers


@pytest.mark.parametrize(
    ("path", "body", "status", "error_type"),
    [
        ("/rerank", b"", 400, "Validation"),
        ("/rerank", b"{", 400, "Validation"),
        ("/rerank", b"\xff\xfe", 400, "Validation"),
        ("/rerank", b"[" * 100_000, 400, "Validation"),
        ("/rerank", b'{"query": NaN, "texts": ["a"]}', 400, "Validation"),
        ("/rerank", b'{"query": ' + b"1" * 9999 + b', "texts": ["a"]}', 400, "Validation"),
        ("/rerank", b"[]", 422, "Validation"),
        ("/rerank", b'{"query": "a"}', 422, "Validation"),
        ("/rerank", b'{"query": "a", "texts": ["a"], "documents": ["a"]}', 422, "Validation"),
        ("/rerank", b'{"query": "a", "texts": "a"}', 422, "Validation"),
        ("/rerank", b'{"query": "a", "texts": ["a"], "truncation_direction": "Left"}', 422, "Validation"),
        ("/rerank", b'{"query": "a", "texts": ["a"], "truncation_direction": "Up"}', 422, "Validation"),
        ("/rerank", b'{"query": "a", "texts": [["a"]]}', 422, "Validation"),
        ("/v1/rerank", b'{"query": "a", "documents": [{"text": "a"}], "rank_fields": ["b"]}', 422, "Validation"),
        ("/v1/rerank", b'{"query": "a", "documents": ["a"], "top_k": 0}', 422, "Validation"),
        ("/v1/rerank", b'{"query": "a", "documents": [{"body": "a"}]}', 422, "Validation"),
        ("/v1/rerank", b'{"query": "a", "documents": ["a"], "top_n": 0}', 422, "Validation"),
        ("/v2/rerank", b'{"query": "a", "documents": ["a"]}', 422, "Validation"),
        ("/v2/rerank", b'{"model": "m", "query": "a", "documents": ["a"], "priority": 1000}', 422, "Validation"),
        ("/rerank", b'{"query": "a", "texts": []}', 400, "Empty"),
        ("/v2/rerank", b'{"model": "m", "query": "a", "documents": []}', 400, "Empty"),
        ("/rerank", b'{"query": "a", "texts": ["a", "b", "c", "d"]}', 413, "Validation"),
        ("/rerank", b'{"query": "a", "texts": ["' + b"a" * 200_000 + b'"]}', 413, "Validation"),
        ("/nowhere", b"{}", 404, "Validation"),
    ],
)
async def test_errors_have_tei_form(path: str, body: bytes, status: int, error_type: str) -> None:
    """Every wrong request gets its status, a message and one of TEI's types."""
    async with serving(OverlapScorer(), max_documents=3, max_body_bytes=150_000) as client:
        response = await client.post(path, content=body)
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error", "error_type"}
    assert response.json()["error_type"] == error_type


async def test_half_an_emoji_is_a_question_mark() -> None:
    """A text cut inside a surrogate pair is ranked, not refused."""
    body = b'{"query": "a", "texts": ["cut \\ud83d", "whole \\ud83d\\ude00"], "return_text": true}'
    async with serving(OverlapScorer()) as client:
        response = await client.post("/rerank", content=body)
    assert {row["text"] for row in response.json()} == {"cut ?", "whole 😀"}


async def test_a_body_without_length_is_read_no_further_than_the_limit() -> None:
    """A chunked body that never ends is refused once it passes the limit."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 1000
            yield b" " * 1000

    async with serving(OverlapScorer(), max_body_bytes=50_000) as client:
        response = await client.post("/rerank", content=endless())
    assert response.status_code == 413


async def test_a_body_that_does_not_arrive_is_refused() -> None:
    """A client that sends a byte and then nothing holds its place no longer than the time limit."""

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    async with serving(OverlapScorer(), timeout_s=0.05) as client:
        response = await client.post("/rerank", content=stalled())
    assert response.status_code == 400
    assert "0.05 s" in response.json()["error"]


async def test_a_key_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key only health and documentation are open; wrong keys of any bytes are refused."""
    monkeypatch.setenv("RELSEARCH_API_KEY", "secret")
    body = {"query": "a", "texts": ["b"]}
    async with serving(OverlapScorer()) as client:
        for wrong in (b"", b"secret", b"Basic secret", b"Bearer nope", b"Bearer \xff", b"Bearer"):
            refused = await client.post("/rerank", json=body, headers={b"Authorization": wrong})
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == "Bearer"
        right = {"Authorization": "Bearer secret"}
        assert (await client.post("/rerank", json=body, headers=right)).status_code == 200
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/info")).status_code == 401
        assert (await client.get("/info", headers=right)).status_code == 200


async def test_information() -> None:
    """Model, length, scale, limits, models and numbers can be asked for."""
    async with serving(OverlapScorer(), tokens=WordLengths(512), model="mine") as client:
        info = (await client.get("/info")).json()
        models = (await client.get("/v1/models")).json()
        await client.post("/rerank", json={"query": "a", "texts": ["b", "b", "c"]})
        await client.get("/no/such/path")
        metrics = (await client.get("/metrics")).text
        documentation = await client.get("/docs")
    assert (info["model_id"], info["max_input_length"]) == ("mine", 512)
    assert "(0, 1)" in info["score_scale"]
    assert [model["id"] for model in models["data"]] == ["mine"]
    assert 'relsearch_requests_total{path="/rerank",status="200"} 1.0' in metrics
    assert 'relsearch_requests_total{path="other",status="404"} 1.0' in metrics
    assert "relsearch_documents_total 3.0" in metrics
    assert "relsearch_distinct_documents_total 2.0" in metrics
    assert documentation.status_code == 200


class QuotingScorer(OverlapScorer):
    """Fails with a message that holds the text."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Raise on the text that asks for it."""
        if "boom" in texts:
            raise ValueError(f"cannot score {texts} for {query}")
        return super().score(query, texts)


async def test_logs_are_json_and_hold_no_text(caplog: pytest.LogCaptureFixture) -> None:
    """A line says what was done, never what was sent, also when the model's own error quotes it."""
    caplog.set_level(logging.INFO, logger="relsearch")
    async with serving(QuotingScorer()) as client:
        good = await client.post("/rerank?sort=true&secret=q", json={"query": "hush", "texts": ["a"]})
        bad = await client.post("/rerank", json={"query": "hush", "texts": ["boom"]})
    assert (good.status_code, bad.status_code, bad.json()["error_type"]) == (200, 424, "Backend")
    ours = [record for record in caplog.records if record.name.startswith("relsearch")]
    lines = [JsonFormatter().format(record) for record in ours]
    assert not any(word in line for line in lines for word in ("hush", "boom", "secret"))
    requests = [json.loads(line) for line in lines if json.loads(line)["message"] == "request"]
    assert [(line["path"], line["status"], line["documents"]) for line in requests] == [
        ("/rerank", 200, 1),
        ("/rerank", 424, 1),
    ]
    assert requests[0]["request_id"] == good.headers["x-request-id"]


@pytest.mark.parametrize("scores", [[0.5], [0.5, 1.0], [0.5, 0.0], [0.5, float("nan")], []])
async def test_scores_out_of_contract_are_the_models_failure(scores: list[float]) -> None:
    """A missing score, a 0, a 1 or no number is 424, never passed on."""
    async with serving(GivenScorer(scores)) as client:
        response = await client.post("/rerank", json={"query": "a", "texts": ["b", "c"]})
    assert (response.status_code, response.json()["error_type"]) == (424, "Backend")


async def test_time_limits_are_whole_milliseconds() -> None:
    """A limit that is none is refused."""
    async with serving(HeldScorer()) as client:
        for wrong in ("0", "-1", "1.5", "soon", "", "٣"):
            header = {b"X-Relsearch-Timeout-Ms": wrong.encode()}
            response = await client.post("/rerank", json={"query": "a", "texts": ["b"]}, headers=header)
            assert response.status_code == 422


async def test_a_store_that_is_away_costs_no_request() -> None:
    """Documents whose vectors cannot be looked up are read."""
    async with serving(AwayStoreScorer()) as client:
        response = await client.post("/rerank", json={"query": "a", "texts": ["b", "a"]})
    assert (response.status_code, [row["index"] for row in response.json()]) == (200, [1, 0])
