"""What takes longer, the longer a request or an answer is, is done beside the event loop: nobody else waits for it."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import httpx
import pytest

from relsearch.live.gateway.answer.ranking import LARGE_BYTES, Decision, Ranking, deadline
from relsearch.live.gateway.answer.source import SourceFilter
from relsearch.live.gateway.app import Gateway, runner
from relsearch.live.gateway.config import GatewayConfig, Rules
from relsearch.live.gateway.json_slices import Text
from relsearch.live.gateway.proxy import Upstream
from relsearch.live.gateway.request.reading import MOST_BYTES
from relsearch.live.gateway.request.rewrite import Plan, Search
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.rerank.interpolation import NO_INTERPOLATION
from relsearch.rerank.reranker import Reranker
from tests.live.gateway.canned import HITS, canned, hits, http_answer
from tests.live.gateway.running import TEMPLATE, LastWordScorer, gateway, served

SEARCH = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": 20_000}}}


class _Watched(Ranking):
    """Remembers which threads decide."""

    def __init__(self) -> None:
        super().__init__(GatewayConfig(), {None: Scoring(Reranker(LastWordScorer(), TEMPLATE))})
        self.threads: list[str] = []

    def decide(self, search: Search, **given: Any) -> Decision:
        """Remember the thread."""
        self.threads.append(threading.current_thread().name)
        return super().decide(search, **given)


@contextmanager
def _watched(url: str) -> Iterator[tuple[str, list[str]]]:
    ranking = _Watched()
    with served(runner(Gateway(Upstream(url), ranking), shutdown_timeout_s=0.1)) as address:
        yield address, ranking.threads


def test_a_large_search_is_decided_beside_the_event_loop() -> None:
    """A small one at once."""
    terms = {"terms": {"id": ["d"] * LARGE_BYTES}}
    large = {**SEARCH, "query": {"bool": {"must": SEARCH["query"], "filter": terms}}}
    with canned({"/sea/_search": http_answer(hits())}) as engine, _watched(engine.url) as (url, threads):
        for body in (SEARCH, large):
            mark = httpx.post(f"{url}/sea/_search", json=body).headers["X-Relsearch"]
            assert mark == f"reranked; read={HITS}/{HITS}"
    assert [name.startswith("relsearch-page") for name in threads] == [False, True]


def test_many_searches_are_decided_beside_the_event_loop() -> None:
    """However short each is."""
    lines = f"{{}}\n{json.dumps(SEARCH)}\n" * 3
    answers = http_answer(b'{"took":1,"responses":[' + b",".join([hits()] * 3) + b"]}")
    with canned({"/_msearch": answers}) as engine, _watched(engine.url) as (url, threads):
        headers = {"Content-Type": "application/x-ndjson"}
        response = httpx.post(f"{url}/_msearch", content=lines, headers=headers)
    assert response.headers["X-Relsearch"] == "reranked; searches=3"
    assert [name.startswith("relsearch-page") for name in threads] == [True] * 3


class _WatchedFilter(SourceFilter):
    """Remembers which threads filter hits."""

    threads: ClassVar[list[str]] = []

    def apply(self, text: Text, at: int = 0) -> bytes:
        """Remember the thread."""
        self.threads.append(threading.current_thread().name)
        return SourceFilter.apply(self, text, at)


@pytest.mark.parametrize("text", ["text", "absent"])
def test_a_page_is_made_beside_the_event_loop(text: str) -> None:
    """Reranked or the engine's own, with what the client wants of each hit."""
    rules = Rules(budget_ms=20_000, fields={"text": text})
    plan = Plan("{}", (), "q", rules, "{text}", NO_INTERPOLATION, 0, HITS, _WatchedFilter(excludes=("title",)))
    ranking = _Watched()

    async def rank() -> str:
        until = deadline([plan])
        (page,) = await ranking.read([hits()], [plan], many=False, until=until)
        return (await ranking.rank(page, plan, until=until))[1]

    _WatchedFilter.threads.clear()
    mark = asyncio.run(rank())
    ranking.close()
    assert mark == (f"reranked; read={HITS}/{HITS}" if text == "text" else "bypassed; reason=no_text")
    assert [name.startswith("relsearch-page") for name in _WatchedFilter.threads] == [True] * HITS


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_that_is_too_large_passes_unread(*, compressed: bool) -> None:
    """While JSON is parsed, no other thread gets a turn; a few kB of gzip may hold as much."""
    config = GatewayConfig(index={"sea": Rules(budget_ms=20_000)})
    body = json.dumps(SEARCH).encode() + b" " * MOST_BYTES
    headers = {"Content-Type": "application/json", **({"Content-Encoding": "gzip"} if compressed else {})}
    with (
        canned({"/sea/_search": http_answer(hits())}) as engine,
        gateway(engine.url, LastWordScorer(), config=config) as url,
    ):
        sent = zlib.compress(body, wbits=31) if compressed else body
        response = httpx.post(f"{url}/sea/_search", content=sent, headers=headers)
    assert response.headers["X-Relsearch"] == "bypassed; reason=unread_body"
