"""Many clients at once: nothing is lost, scored twice, queued without bound, or scored for nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relsearch.core.errors import ConfigError
from relsearch.core.protocols import Scorer
from relsearch.live.service.batching import Batcher
from relsearch.live.service.metrics import Metrics
from relsearch.live.service.queue import Job, Queue
from relsearch.live.service.refusals import BackendError, OverloadedError, UnhealthyError
from relsearch.live.service.settings import read_settings
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.reranker import Reranker
from tests.live.service.harness import WARM_UP, HeldScorer, WordLengths, serving, until
from tests.rerank.fake_scorer import OverlapScorer

pytestmark = pytest.mark.anyio
BODY = {"query": "a b", "texts": ["a", "b c"]}
ONE_BY_ONE: Mapping[str, Any] = {"parallel_batches": 1, "max_batch_tokens": 1}


@asynccontextmanager
async def batching(
    scorer: Scorer, *, mix: Interpolation = NO_INTERPOLATION, **options: object
) -> AsyncIterator[Batcher]:
    """A running batcher that counts words."""
    batcher = Batcher(
        Reranker(scorer, interpolation=mix), read_settings(**options), metrics=Metrics(), tokens=WordLengths(1000)
    )
    await batcher.start()
    yield batcher
    await batcher.close()


_WORDS = st.text("ab ", max_size=6)
_REQUESTS = st.lists(st.tuples(_WORDS, st.lists(_WORDS, min_size=1, max_size=12)), min_size=1, max_size=6)


@given(_REQUESTS, st.integers(1, 30), st.integers(1, 3))
@settings(max_examples=40)
def test_batching_changes_no_score(requests: list[tuple[str, list[str]]], budget: int, parallel: int) -> None:
    """Whatever the budget and the neighbours, each request gets the scores of its texts in their order."""

    async def ask() -> list[list[float]]:
        async with batching(OverlapScorer(), max_batch_tokens=budget, parallel_batches=parallel) as batcher:
            found = await asyncio.gather(*(batcher.score(query, texts) for query, texts in requests))
        return [scored.scores for scored in found]

    assert asyncio.run(ask()) == [OverlapScorer().score(query, texts) for query, texts in requests]


class _Pooled(OverlapScorer):
    """A scorer that knows a vector of each text: which of two letters it begins with."""

    def mean_vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one row a text; a text that begins with neither breaks it."""
        return np.array([{"a": (1.0, 0.0), "c": (0.0, 1.0)}[text[0]] for text in texts])


async def test_feedback_joins_the_texts_of_a_request() -> None:
    """Of two texts alike to the query the one beside the best goes first; other requests do not count."""
    texts = ["a b", "a", "c"]
    async with batching(_Pooled(), mix=Interpolation(prf=0.3), max_batch_tokens=1) as batcher:
        (best, beside, apart), _ = (
            scored.scores
            for scored in await asyncio.gather(batcher.score("b", texts), batcher.score("b", ["c", "c b"]))
        )
        with pytest.raises(BackendError, match="model failed"):
            await batcher.score("b", ["z", "b"])
        assert (await batcher.score("b", texts)).scores == [best, beside, apart]
    assert 0 < apart < beside < best < 1


def test_feedback_from_a_scorer_without_vectors_is_refused() -> None:
    """When the service starts."""
    with pytest.raises(ConfigError, match="cross-encoder"):
        Batcher(Reranker(OverlapScorer(), interpolation=Interpolation(prf=0.3)), read_settings(), metrics=Metrics())


async def test_duplicates_are_scored_once() -> None:
    """Equal texts of a request, and of two requests in one batch, are one text to the scorer."""
    scorer = HeldScorer()
    async with batching(scorer, parallel_batches=1) as batcher:
        first = asyncio.create_task(batcher.score("hold", ["x"]))
        await until(lambda: len(scorer.calls) == 1)
        pair = [asyncio.create_task(batcher.score("a", texts)) for texts in (["b", "a", "b"], ["c", "a"])]
        await asyncio.sleep(0.05)
        scorer.gate.set()
        scored = await asyncio.gather(first, *pair)
    assert scorer.calls[1:] == [("a", ["b", "a", "c"])]
    assert [len(entry.scores) for entry in scored] == [1, 3, 2]


async def test_a_short_request_passes_a_long_one() -> None:
    """Ten texts asked for after three hundred are answered first, where reading takes its time."""

    class Slow(HeldScorer):
        def score(self, query: str, texts: Sequence[str]) -> list[float]:
            time.sleep(0.1 if query == WARM_UP else 0.0)
            return super().score(query, texts)

    scorer = Slow()
    finished: list[str] = []

    async def ask(name: str, count: int) -> None:
        await batcher.score(name, [f"text {number}" for number in range(count)])
        finished.append(name)

    async with batching(scorer, parallel_batches=1, max_batch_tokens=10) as batcher:
        asked = [asyncio.create_task(ask("long", 300))]
        await until(lambda: len(scorer.calls) == 1)
        asked.append(asyncio.create_task(ask("short", 10)))
        await asyncio.sleep(0.05)
        scorer.gate.set()
        await asyncio.gather(*asked)
    assert finished == ["short", "long"]


@pytest.mark.parametrize("limit", [{"max_waiting_requests": 2}, {"max_waiting_tokens": 1}])
async def test_a_full_queue_is_429_with_retry_after(limit: Mapping[str, Any]) -> None:
    """Beyond the requests or the tokens that may wait, clients are sent away at once; the others are answered."""
    scorer = HeldScorer()
    async with serving(scorer, **limit, **ONE_BY_ONE) as client:
        asked = []
        for number in range(2):
            asked.append(asyncio.create_task(client.post("/rerank", json={"query": "a", "texts": [f"{number} b"]})))
            await until(lambda: len(scorer.calls) == 1)
            await asyncio.sleep(0.02)
        refused = await client.post("/rerank", json={"query": "a", "texts": ["c d e"]})
        scorer.gate.set()
        answered = await asyncio.gather(*asked)
    assert (refused.status_code, refused.json()["error_type"]) == (429, "Overloaded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert [response.status_code for response in answered] == [200, 200]


async def test_a_request_larger_than_the_queue_is_served_alone() -> None:
    """The bound is for what waits together; what arrives at an idle service is never refused for its size."""
    async with serving(OverlapScorer(), max_waiting_tokens=5) as client:
        response = await client.post("/rerank", json={"query": "a", "texts": ["b " * 100]})
    assert response.status_code == 200


async def test_deadlines() -> None:
    """Time that runs out in the queue is overload, time that runs out in the model is the model's failure."""
    scorer = HeldScorer()
    soon = {"X-Relsearch-Timeout-Ms": "150"}
    async with serving(scorer, **ONE_BY_ONE) as client:
        running = asyncio.create_task(client.post("/rerank", json=BODY, headers=soon))
        await until(lambda: len(scorer.calls) == 1)
        waiting = await client.post("/rerank", json={"query": "later", "texts": ["x"]}, headers=soon)
        late = await running
        scorer.gate.set()
        after = await client.post("/rerank", json={"query": "after", "texts": ["y"]})
        metrics = (await client.get("/metrics")).text
    assert (waiting.status_code, waiting.json()["error_type"]) == (429, "Overloaded")
    assert (late.status_code, late.json()["error_type"]) == (424, "Backend")
    assert after.status_code == 200
    assert "later" not in [query for query, _ in scorer.calls]
    assert "relsearch_dropped_requests_total 2.0" in metrics
    assert "relsearch_waiting_tokens 0.0" in metrics


async def test_a_clients_limit_cannot_exceed_the_services() -> None:
    """The service's own time limit holds, whatever the client hopes for."""
    scorer = HeldScorer()
    async with batching(scorer, timeout_s=0.05) as batcher:
        with pytest.raises(BackendError, match=r"0\.05 s"):
            await batcher.score("a", ["b"], timeout_s=1e9)
        scorer.gate.set()


async def test_what_nobody_waits_for_is_not_scored() -> None:
    """A cancelled request leaves the queue with all its texts but those in the running batch."""
    scorer = HeldScorer()
    async with batching(scorer, **ONE_BY_ONE) as batcher:
        running = asyncio.create_task(batcher.score("gone", ["one", "two", "three"]))
        await until(lambda: len(scorer.calls) == 1)
        waiting = asyncio.create_task(batcher.score("never", ["four"]))
        await asyncio.sleep(0.05)
        for task in (running, waiting):
            task.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        scorer.gate.set()
        assert (await batcher.score("a", ["a"])).scores == OverlapScorer().score("a", ["a"])
    assert [query for query, _ in scorer.calls] == ["gone", "a"]


async def test_a_client_that_hangs_up_is_dropped() -> None:
    """The service notices a closed connection while it scores, and logs 499."""
    from relsearch.live.service.app import create_app

    scorer = HeldScorer()
    app = create_app(Reranker(scorer), read_settings(**ONE_BY_ONE))
    hung_up = asyncio.Event()
    bodies: Iterator[MutableMapping[str, Any]] = iter(
        [{"type": "http.request", "body": b'{"query": "gone", "texts": ["one", "two"]}'}]
    )
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        if message := next(bodies, None):
            return message
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/rerank", "query_string": b"", "headers": []}
    async with app.router.lifespan_context(app):
        asked = asyncio.create_task(app(scope, receive, send))
        await until(lambda: len(scorer.calls) == 1)
        hung_up.set()
        await asked
        scorer.gate.set()
    assert sent[0]["status"] == 499
    assert scorer.calls == [("gone", ["one"])]


async def test_one_failure_fails_its_own_request_only() -> None:
    """What the model raises for one query leaves the other queries of the batch unharmed."""

    class Choosy(HeldScorer):
        def score(self, query: str, texts: Sequence[str]) -> list[float]:
            if query == "bad":
                raise ValueError
            return super().score(query, texts)

    scorer = Choosy()
    async with batching(scorer, parallel_batches=1) as batcher:
        first = asyncio.create_task(batcher.score("hold", ["x"]))
        await until(lambda: len(scorer.calls) == 1)
        both = [asyncio.create_task(batcher.score(query, ["a"])) for query in ("bad", "good")]
        await asyncio.sleep(0.05)
        scorer.gate.set()
        bad, good = await asyncio.gather(*both, return_exceptions=True)
        await first
    assert isinstance(bad, BackendError)
    assert not isinstance(good, BaseException)


class ManyOverlaps(HeldScorer):
    """Takes a batch at once; remembers the queries of each."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []

    def score_many(self, requests: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """Return what `score` does for each query; fail on a batch that holds `bad`."""
        self.batches.append([query for query, _ in requests])
        if any(query == "bad" for query, _ in requests):
            raise ValueError
        return [self.score(query, texts) for query, texts in requests]


async def test_a_scorer_of_many_gets_the_batch_at_once() -> None:
    """Queries that wait together go to such a scorer in one call; one that fails is tried apart from the others."""
    scorer = ManyOverlaps()
    async with batching(scorer, parallel_batches=1) as batcher:
        asked = [asyncio.create_task(batcher.score("hold", ["x"]))]
        await until(lambda: len(scorer.calls) == 1)
        asked += [asyncio.create_task(batcher.score(query, ["a", "b"])) for query in ("a", "bad", "b")]
        await asyncio.sleep(0.05)
        scorer.gate.set()
        _, one, bad, other = await asyncio.gather(*asked, return_exceptions=True)
    assert scorer.batches[-5:] == [["hold"], ["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    assert isinstance(bad, BackendError)
    assert [found.scores for found in (one, other) if not isinstance(found, BaseException)] == [
        OverlapScorer().score(query, ["a", "b"]) for query in ("a", "b")
    ]


async def test_closing_answers_what_was_accepted() -> None:
    """A closing batcher refuses new requests and finishes the others."""
    scorer = HeldScorer()
    async with batching(scorer) as batcher:
        asked = asyncio.create_task(batcher.score("a", ["a", "b"]))
        await until(lambda: len(scorer.calls) == 1)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0.02)
        with pytest.raises(UnhealthyError):
            await batcher.score("a", ["a"])
        scorer.gate.set()
        await closing
        assert len((await asked).scores) == 2


async def test_priority_goes_first() -> None:
    """Of two waiting requests the one with the lower number is scored first."""
    scorer = HeldScorer()
    async with batching(scorer, **ONE_BY_ONE) as batcher:
        asked = [asyncio.create_task(batcher.score("hold", ["x"]))]
        await until(lambda: len(scorer.calls) == 1)
        for name, priority in (("patient", 9), ("urgent", 0)):
            asked.append(asyncio.create_task(batcher.score(name, ["x"], priority=priority)))
            await asyncio.sleep(0.02)
        scorer.gate.set()
        await asyncio.gather(*asked)
    assert [query for query, _ in scorer.calls] == ["hold", "urgent", "patient"]


async def test_the_queue_never_waits_longer_than_its_length() -> None:
    """Retry-After follows from the tokens that wait and the measured speed."""
    queue = Queue()
    queue.push(Job("a", ["x"], [500], asyncio.get_running_loop().create_future()), priority=0)
    for _ in range(50):
        queue.learn_speed(100, 1.0)
    assert queue.wait_s == pytest.approx(5, rel=0.05)
    assert OverloadedError("full", retry_after_s=queue.wait_s).headers == {"Retry-After": "5"}


@given(st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=8), max_size=6), st.integers(1, 40))
def test_batches_keep_to_their_budget(sizes: list[list[int]], budget: int) -> None:
    """Each batch holds at most the budget or one text, and all texts are dealt once."""

    async def deal() -> list[list[tuple[int, int]]]:
        queue = Queue()
        for number, tokens in enumerate(sizes):
            texts = [f"{number}-{place}" for place in range(len(tokens))]
            queue.push(Job("q", texts, tokens, asyncio.get_running_loop().create_future()), priority=0)
        batches = []
        while parts := queue.deal(budget):
            batches.append([(part.tokens, len(part.texts)) for part in parts])
        assert queue.waiting_tokens == 0
        return batches

    batches = asyncio.run(deal())
    assert sum(count for batch in batches for _, count in batch) == sum(map(len, sizes))
    for batch in batches:
        assert sum(tokens for tokens, _ in batch) <= budget or sum(count for _, count in batch) == 1
