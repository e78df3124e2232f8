"""More work than there is time for: what cannot be done in time is refused before it costs anything, or partly done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from relsearch.live.service.queue import Job, Queue
from tests.live.service.harness import HeldScorer, WordLengths, serving, until
from tests.rerank.fake_scorer import OverlapScorer

pytestmark = pytest.mark.anyio
_TEXT_S = 0.002
_ONE_AT_A_TIME: dict[str, Any] = {"parallel_batches": 1, "max_batch_tokens": 100}


class PacedScorer(OverlapScorer):
    """Takes a fixed time a text, as a model does."""

    def __init__(self) -> None:
        self.texts = 0

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the overlap, after a while."""
        self.texts += len(texts)
        time.sleep(_TEXT_S * len(texts))
        return super().score(query, texts)


async def _answers(users: int, seconds: float, headers: dict[str, str]) -> tuple[int, list[httpx.Response]]:
    """How many answers so many users get who each wait for one before they ask again, and the refusals."""
    answered, refused, ends = 0, [], time.monotonic() + seconds
    async with serving(scorer := PacedScorer(), tokens=WordLengths(1000), **_ONE_AT_A_TIME) as client:

        async def user(number: int) -> None:
            nonlocal answered
            turn = 0
            while time.monotonic() < ends:
                turn += 1
                texts = [f"{number} {turn} {place} words that take a while to read" for place in range(50)]
                response = await client.post("/rerank", json={"query": "words", "texts": texts}, headers=headers)
                if response.status_code == 200:
                    answered += len(response.json()) == 50
                else:
                    refused.append(response)
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(user(number) for number in range(users)))
    assert scorer.texts
    return answered, refused


async def test_many_users_get_as_many_answers_as_one() -> None:
    """Eight users, who ask for more than can be done within the limit, get what one gets; the others are told when."""
    limit = {"X-Relsearch-Timeout-Ms": "400"}  # a request alone takes about 120 ms
    one, _ = await _answers(1, 1.5, limit)
    many, refused = await _answers(8, 1.5, limit)
    assert many >= 0.5 * one > 0
    assert refused
    assert {(each.status_code, each.json()["error_type"]) for each in refused} <= {
        (429, "Overloaded"),
        (424, "Backend"),
    }
    assert sum(each.status_code == 429 for each in refused) >= 0.9 * len(refused)
    assert all(int(each.headers["Retry-After"]) >= 1 for each in refused if each.status_code == 429)


async def test_users_share_what_can_be_read_within_a_budget() -> None:
    """With a budget, more users get more answers, each of fewer documents."""
    budget = {"X-Relsearch-Budget-Ms": "100"}
    one, _ = await _answers(1, 1.0, budget)
    many, _ = await _answers(6, 1.0, budget)
    assert many >= 1.5 * one > 0


async def test_what_a_budget_leaves_unread_keeps_its_place() -> None:
    """The texts that were read trade places, the others stay where they were; the answer says how many were read."""
    texts = [f"{place} filler" for place in range(300)]
    texts[3] = "tea leaves"
    body = {"query": "tea leaves", "texts": texts}
    async with serving(PacedScorer(), tokens=WordLengths(1000), **_ONE_AT_A_TIME) as client:
        partly = await client.post("/rerank", json=body, headers={"X-Relsearch-Budget-Ms": "200"})
        whole = await client.post("/rerank", json=body, headers={"X-Relsearch-Budget-Ms": "8000"})
    word, _, read = partly.headers["X-Relsearch"].partition("; read=")
    count = int(read.removesuffix("/300"))
    assert (word, 25 <= count <= 100) == ("reranked", True)
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
