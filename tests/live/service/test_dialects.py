"""What each dialect sends and gets."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from relsearch.live.service.tokens import DocumentTokens, PairTokens
from tests.live.service.harness import HeldScorer, WordLengths, serving
from tests.rerank.fake_scorer import OverlapScorer

pytestmark = pytest.mark.anyio
TEXTS = ["c", "a b", "a"]


async def test_tei_is_a_bare_array() -> None:
    """`texts` gives index and score, best first, and the text only where asked for."""
    async with serving(OverlapScorer()) as client:
        plain = await client.post("/rerank", json={"query": "a b", "texts": TEXTS, "model": "m", "top_n": 1})
        full = await client.post("/rerank", json={"query": "a b", "texts": TEXTS, "return_text": True})
    assert plain.json() == [{"index": 1, "score": 0.75}, {"index": 2, "score": 0.5}, {"index": 0, "score": 0.25}]
    assert [row["text"] for row in full.json()] == ["a b", "a", "c"]


async def test_tei_gives_raw_scores() -> None:
    """Raw scores are log-odds, in the same order."""
    async with serving(OverlapScorer()) as client:
        response = await client.post("/rerank", json={"query": "a b", "texts": TEXTS, "raw_scores": True})
    assert [row["score"] for row in response.json()] == pytest.approx([1.0986, 0, -1.0986], abs=1e-4)


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
async def test_jina_and_cohere_v1(path: str) -> None:
    """`documents` may be strings or objects; top_n and return_documents are honoured."""
    documents = ["c", {"text": "a b", "id": 7}, "a"]
    body = {"model": "mine", "query": "a b", "documents": documents, "top_n": 2, "return_documents": True}
    async with serving(OverlapScorer(), tokens=WordLengths(10)) as client:
        response = await client.post(path, json=body)
    assert response.json() == {
        "model": "mine",
        "usage": {"total_tokens": 10},
        "results": [
            {"index": 1, "relevance_score": 0.75, "document": {"text": "a b", "id": 7}},
            {"index": 2, "relevance_score": 0.5, "document": {"text": "a"}},
        ],
    }


async def test_cohere_v1_reads_the_fields_it_is_told() -> None:
    """Those of rank_fields that a document has, in their order, whatever they hold."""
    documents = [{"body": "b", "title": "a"}, {"title": None, "body": 7}, "a b 7"]
    body = {"query": "a b", "documents": documents, "rank_fields": ["title", "body"], "return_documents": True}
    async with serving(scorer := HeldScorer()) as client:
        scorer.gate.set()
        response = await client.post("/v1/rerank", json=body)
    assert scorer.calls == [("a b", ["a\nb", "7", "a b 7"])]
    assert {row["index"]: row["document"] for row in response.json()["results"]} == {
        0: documents[0],
        1: documents[1],
        2: {"text": "a b 7"},
    }


async def test_voyage_gets_data() -> None:
    """`top_k` bounds it, documents are strings, and truncation off refuses what must be cut."""
    body = {"model": "rerank-2", "query": "a b", "documents": TEXTS, "top_k": 1, "truncation": True}
    async with serving(OverlapScorer(), tokens=WordLengths(3)) as client:
        response = await client.post("/v1/rerank", json=body | {"return_documents": True})
        refused = await client.post("/v1/rerank", json=body | {"truncation": False})
    assert response.json() == {
        "object": "list",
        "data": [{"index": 1, "relevance_score": 0.75, "document": "a b"}],
        "model": "rerank-2",
        "usage": {"total_tokens": 9},
    }
    assert refused.json()["error_type"] == "Tokenizer"


@pytest.mark.parametrize(
    ("model", "key"), [("rerank-2.5", "data"), ("rerank-lite-1", "data"), ("rerank-v3.5", "results")]
)
async def test_voyages_models_are_known(model: str, key: str) -> None:
    """Its clients may send nothing else that tells them from Cohere's."""
    async with serving(OverlapScorer()) as client:
        response = await client.post("/v1/rerank", json={"model": model, "query": "a", "documents": TEXTS})
    assert key in response.json()


async def test_infinity_gets_strings_and_raw_scores() -> None:
    """Documents with `raw_scores`, or at its own path, are answered as Infinity does, log-odds if asked for."""
    body = {"query": "a b", "documents": TEXTS, "top_n": 2, "return_documents": True}
    async with serving(OverlapScorer()) as client:
        plain, raw = [(await client.post("/rerank", json=body | {"raw_scores": flag})).json() for flag in (False, True)]
        by_path = (await client.post("/infinity/rerank", json=body)).json()
    assert plain["object"] == "rerank"
    assert by_path["results"] == plain["results"]
    assert plain["results"][0] == {"index": 1, "relevance_score": 0.75, "document": "a b"}
    assert [row["relevance_score"] for row in raw["results"]] == pytest.approx([1.0986, 0], abs=1e-4)


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
async def test_nulls_and_numbers_are_texts(path: str) -> None:
    """As JSON writes them; null is an empty text."""
    async with serving(scorer := HeldScorer()) as client:
        scorer.gate.set()
        response = await client.post(path, json={"model": "m", "query": "a", "documents": [None, 12, 1.5, True, ""]})
    assert response.status_code == 200
    assert scorer.calls == [("a", ["", "12", "1.5", "true"])]
    assert len(response.json()["results"]) == 5


async def test_the_end_of_a_text_is_read_where_the_left_is_cut() -> None:
    """Of texts too long for the model; the answer has them whole, and the header counts them."""
    body = {"query": "a b", "texts": ["a b c d e", "c d e a b", "a"], "return_text": True}
    async with serving(OverlapScorer(), tokens=WordLengths(5)) as client:
        answers = [
            await client.post("/rerank", json=body | {"truncation_direction": side}) for side in ("Right", "left")
        ]
    assert [row["text"] for row in answers[1].json()] == ["c d e a b", "a", "a b c d e"]
    assert [row["text"] for row in answers[0].json()] != [row["text"] for row in answers[1].json()]
    assert [each.headers["X-Relsearch-Truncated"] for each in answers] == ["2", "2"]


async def test_a_bundles_tokenizer_finds_the_end(tiny_bert: Path) -> None:
    """What is left of a long text is its end, as long as the model reads beside the query, to within a token."""
    text = "a cat purrs when it is calm " * 40 + "and green tea is steeped"
    for tokens in (
        PairTokens(tiny_bert / "tokenizer.json", max_length=32),
        DocumentTokens(tiny_bert / "tokenizer.json", max_length=32, prefix="tea "),
    ):
        short, end, nothing = tokens.ends("why does a cat purr", ["sea", text, ""])
        assert (short, nothing) == ("sea", "")
        assert text.endswith(end)
        assert tokens.ends("why", [text + " " * 60_000])[0].split() == tokens.ends("why", [text])[0].split()
        assert len(set(tokens.lengths("why", ["sea", " " * 60_000 + "sea", f"sea{' ' * 60_000}"]))) == 1
        assert 30 <= tokens.lengths("why does a cat purr", [end])[0] <= 33


async def test_gzip_bodies() -> None:
    """Are unpacked, no further than the limit; what is none, or is cut short, is refused."""
    packed = gzip.compress(json.dumps({"query": "a b", "texts": TEXTS}).encode())
    bomb = gzip.compress(b" " * 10_000_000)
    async with serving(OverlapScorer(), max_body_bytes=50_000) as client:

        async def status(content: bytes, encoding: str = "gzip") -> int:
            return (await client.post("/rerank", content=content, headers={"Content-Encoding": encoding})).status_code

        assert [await status(each) for each in (packed, bomb, b"{}", packed[:-9])] == [200, 413, 400, 400]
        assert await status(packed, "br") == 400


async def test_cohere_v2_repeats_no_document() -> None:
    """An id of its own, results, meta; never a document."""
    body = {"model": "m", "query": "a b", "documents": TEXTS, "max_tokens_per_doc": 9, "priority": 3}
    async with serving(OverlapScorer()) as client:
        first, second = [(await client.post("/v2/rerank", json=body)).json() for _ in range(2)]
    assert list(first) == ["id", "results", "meta"]
    assert first["id"] != second["id"]
    assert [set(row) for row in first["results"]] == [{"index", "relevance_score"}] * 3
