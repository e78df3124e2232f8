"""More work than there is time for: what cannot be done in time is refused before it costs anything, or partly done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from relsearch.live.service.queue import Job, Queue
from tests.live.service.harness import HeldScorer, WordLengths, serving, until
from tests.rerank.fake_scorer import OverlapScorer

pytestmark = pytest.mark.anyio
_ONE_AT_A_TIME: dict[str, Any] = {"parallel_batches": 1, "max_batch_tokens": 100}


class PacedScorer(OverlapScorer):
    """Takes half a millisecond a word, as a model does; remembers the queries."""

    def __init__(self) -> None:
        self.queries: list[str] = []

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the overlap, after a while."""
        self.queries.append(query)
        time.sleep(0.0005 * sum(len(text.split()) for text in texts))
        return super().score(query, texts)


async def test_what_cannot_be_in_time_is_refused_before_it_is_read() -> None:
    """Beside a request that takes a second, one that has less is sent away at once; a short one is answered."""
    texts = [f"{place} " + "words that take a while to read " * 6 for place in range(50)]
    scorer = PacedScorer()
    async with serving(scorer, tokens=WordLengths(1000), **_ONE_AT_A_TIME) as client:
        first = asyncio.create_task(client.post("/rerank", json={"query": "first", "texts": texts}))
        await until(lambda: "first" in scorer.queries)
        hasty, asked_at = {"X-Relsearch-Timeout-Ms": "800"}, time.monotonic()
        refused = await client.post("/rerank", json={"query": "hasty", "texts": texts}, headers=hasty)
        assert time.monotonic() - asked_at < 0.8
        patient = await client.post("/rerank", json={"query": "patient", "texts": texts[:10]})
        answered = await first
    assert (refused.status_code, refused.json()["error_type"]) == (429, "Overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert "hasty" not in scorer.queries
    assert (answered.status_code, patient.status_code) == (200, 200)


async def test_what_a_budget_leaves_unread_keeps_its_place() -> None:
    """The texts that were read trade places, the others stay where they were; the answer says how many were read."""
    texts = [f"{place} " + "filler " * 4 for place in range(300)]
    texts[3] = "tea leaves"
    body = {"query": "tea leaves", "texts": texts}
    async with serving(PacedScorer(), tokens=WordLengths(1000), **_ONE_AT_A_TIME) as client:
        partly = await client.post("/rerank", json=body, headers={"X-Relsearch-Budget-Ms": "250"})
        whole = await client.post("/rerank", json=body, headers={"X-Relsearch-Budget-Ms": "8000"})
    word, _, read = partly.headers["X-Relsearch"].partition("; read=")
    count = int(read.removesuffix("/300"))
    assert (word, 0 < count <= 120) == ("reranked", True)
    order = [row["index"] for row in partly.json()]
    assert order[0] == 3
    assert order[count:] == list(range(count, 300))
    assert [row["score"] for row in partly.json()] == sorted((row["score"] for row in partly.json()), reverse=True)
    assert whole.headers["X-Relsearch"] == "reranked; read=300/300"


async def test_a_budget_in_which_nothing_can_be_read_is_refused() -> None:
    """Behind a request that takes longer, at once and without a call to the scorer."""
    scorer = HeldScorer()
    async with serving(scorer, **_ONE_AT_A_TIME) as client:
        first = asyncio.create_task(client.post("/rerank", json={"query": "a", "texts": ["b"] * 3}))
        await until(lambda: len(scorer.calls) == 1)
        late = await client.post(
            "/rerank", json={"query": "later", "texts": ["c"]}, headers={"X-Relsearch-Budget-Ms": "50"}
        )
        scorer.gate.set()
        await first
    assert (late.status_code, late.json()["error_type"]) == (429, "Overloaded")
    assert [query for query, _ in scorer.calls] == ["a"]


async def test_a_request_that_would_make_another_late_is_not_let_in() -> None:
    """A short request passes a long one only where the long one is in time nonetheless."""
    loop, now = asyncio.get_running_loop(), time.monotonic()
    queue = Queue()
    for _ in range(50):
        queue.learn_speed(1000, 1.0)
    queue.push(Job("first", ["x"], [1000], loop.create_future(), now + 10), priority=0)
    queue.push(Job("long", ["x"], [3000], loop.create_future(), now + 4.5), priority=0)
    assert queue.in_time(300, now + 10, priority=0)
    assert not queue.in_time(700, now + 10, priority=0)
    assert queue.in_time(5000, now + 9.5, priority=0)
    assert not queue.in_time(5000, now + 8.5, priority=0)
    assert queue.fitting([1000] * 8, now + 9.5, priority=0, requests=1) == 5
    assert queue.fitting([1000] * 8, now + 9.5, priority=0, requests=3) == 3
    assert queue.fitting([1000] * 8, now + 4.2, priority=0, requests=1) == 0
