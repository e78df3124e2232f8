"""The service answers what Elasticsearch and OpenSearch read, for every input that breaks lesser ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.live.service.schema import log_odds, written
from relsearch.live.service.tokens import bundle_tokens
from relsearch.rerank.bundle import open_bundle
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.families import open_scorer
from tests.live.service.consumers import CONSUMERS, INPUTS, Consumer, ContractError
from tests.live.service.harness import GivenScorer, serving
from tests.rerank.fake_scorer import OverlapScorer

pytestmark = pytest.mark.anyio
each_consumer = pytest.mark.parametrize("consumer", CONSUMERS.values(), ids=CONSUMERS.keys())


@each_consumer
@pytest.mark.parametrize("texts", INPUTS.values(), ids=INPUTS.keys())
async def test_every_consumer_reads_every_input(consumer: Consumer, texts: list[str]) -> None:
    """All documents come back once, with the scores of their texts, best first where order is kept."""
    async with serving(OverlapScorer()) as client:
        response = await client.post(consumer.path, json=consumer.request("test query", texts))
    assert response.status_code == 200, response.text
    rows = consumer.read(response.content)
    assert sorted(index for index, _, _ in rows) == list(range(len(texts)))
    expected = OverlapScorer().score("test query", texts)
    assert [score for _, score, _ in rows] == pytest.approx([expected[index] for index, _, _ in rows])
    assert all(text is None or text == texts[index] for index, _, text in rows)


@each_consumer
async def test_every_consumer_reads_extreme_scores(consumer: Consumer) -> None:
    """Scores that Python writes without a point, as 1.0 or with 19 characters are written so that all can read them."""
    scores = [1 - 1e-16, 1e-5, 0.1 + 0.2, 1e-9, 5e-324, 0.12345678901234567, 0.00012345678901234567, 2e-20]
    async with serving(GivenScorer(scores)) as client:
        response = await client.post(consumer.path, json=consumer.request("query", [str(n) for n in range(8)]))
    rows = consumer.read(response.content)
    assert all(0 < score < 1 for _, score, _ in rows)
    assert [score for _, score, _ in sorted(rows)] == pytest.approx(scores, rel=1e-8, abs=1e-290)


@each_consumer
async def test_every_consumer_reads_a_real_bundle(consumer: Consumer, tiny_bundles: dict[str, Path]) -> None:
    """A bundle scores all inputs at once, the 100 kB one cut and counted."""
    texts = [text for group in INPUTS.values() for text in group]
    scorer, tokens = OnnxScorer.open(tiny_bundles["fp32"]), bundle_tokens(open_bundle(tiny_bundles["fp32"]))
    async with serving(scorer, tokens=tokens, timeout_s=60) as client:
        response = await client.post(consumer.path, json=consumer.request("why does a cat purr", texts))
    assert response.status_code == 200, response.text
    assert response.headers["X-Relsearch-Truncated"] == "1"
    rows = consumer.read(response.content)
    assert sorted(index for index, _, _ in rows) == list(range(len(texts)))


async def test_a_late_interaction_bundle_is_served(late_bundle: Path) -> None:
    """Scores are the bundle's own; the texts that count as cut are those that it reads in part, without the query."""
    scorer, tokens = open_scorer(late_bundle), bundle_tokens(open_bundle(late_bundle))
    query, texts = "sea " * 30, ["the moon", "a cat " * 25, "salt " * 3_000, "x" * 100_000]
    async with serving(scorer, tokens=tokens, timeout_s=60) as client:
        response = await client.post("/rerank", json={"query": query, "texts": texts})
        facts = (await client.get("/info")).json()
    assert response.status_code == 200, response.text
    assert {row["index"]: row["score"] for row in response.json()} == pytest.approx(
        dict(enumerate(scorer.score(query, texts)))
    )
    assert facts["max_input_length"] == tokens.max_length == 64
    assert [length > 64 for length in tokens.lengths(query, texts)] == [False, False, True, True]
    assert int(response.headers["X-Relsearch-Truncated"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        b'{"results":[{"index":0,"relevance_score":1}]}',
        b'{"results":[{"index":0,"relevance_score":1e-05}]}',
        b'{"results":[{"index":0,"relevance_score":0.30000000000000004}]}',
        b'{"results":[{"index":0.0,"relevance_score":0.3}]}',
        b'{"results":[{"index":1,"relevance_score":0.3},{"index":1,"relevance_score":0.3}]}',
    ],
)
def test_the_opensearch_port_is_strict(body: bytes) -> None:
    """The port refuses what the real one fails on, so passing it means something."""
    with pytest.raises(ContractError):
        CONSUMERS["opensearch"].read(body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("elasticsearch cohere v1", b'{"results":[{"index":0,"relevance_score":0.5,"rank":1}]}'),
        ("elasticsearch cohere v1", b'{"meta":{"results":{}},"results":[{"index":0,"relevance_score":0.5}]}'),
        ("elasticsearch hugging_face", b'{"results":[]}'),
        ("elasticsearch hugging_face", b'[{"index":0,"score":0.5,"relevance_score":0.5}]'),
        ("elasticsearch custom", b'[{"index":0,"relevance_score":0.5}]'),
        ("elasticsearch custom", b'{"results":[{"index":0,"score":0.5}]}'),
    ],
)
def test_the_elasticsearch_ports_are_strict(name: str, body: bytes) -> None:
    """The ports refuse unknown keys, a wrong root and absent fields."""
    with pytest.raises(ContractError):
        CONSUMERS[name].read(body)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_written_scores_keep_their_order(one: float, other: float) -> None:
    """Any score is written with a point, in 18 characters, inside (0, 1), and never passes a higher one."""
    low, high = written(min(one, other)), written(max(one, other))
    assert low <= high
    assert 0 < low < 1
    assert "." in repr(low)
    assert len(repr(low)) <= 18
    assert math.isclose(low, min(one, other), rel_tol=1e-8, abs_tol=1e-290)


@given(st.floats(1e-12, 1 - 1e-12))
def test_raw_scores_are_log_odds(score: float) -> None:
    """The sigmoid of a raw score is the score."""
    assert 1 / (1 + math.exp(-log_odds(score))) == pytest.approx(score)
