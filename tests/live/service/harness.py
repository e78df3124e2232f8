"""The service in this process, and scorers that a test can hold back or break."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx

from relsearch.core.protocols import Scorer
from relsearch.live.service.app import create_app
from relsearch.live.service.settings import read_settings
from relsearch.live.service.tokens import TokenLengths
from relsearch.rerank.reranker import Reranker
from tests.rerank.fake_scorer import OverlapScorer

URL = "http://service"
WARM_UP = "warm"


class HeldScorer(OverlapScorer):
    """Scores words shared with the query, but only while `gate` is set; remembers what it was asked."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.calls: list[tuple[str, list[str]]] = []

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the overlap once the gate is open."""
        if query != WARM_UP:
            self.calls.append((query, list(texts)))
            if not self.gate.wait(20):
                raise RuntimeError("nobody opened the gate")
        return super().score(query, texts)


class GivenScorer:
    """Gives the scores it was made with, whatever the texts."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.scores = list(scores)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the given scores; one half for the warm-up."""
        return [0.5] * len(texts) if query == WARM_UP else self.scores


class WordLengths:
    """Counts words as tokens, of which the model reads `max_length`."""

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length

    def lengths(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return the words of query and text."""
        return [len(query.split()) + len(text.split()) for text in texts]

    def ends(self, query: str, texts: Sequence[str]) -> list[str]:
        """Return the last words that fit beside the query."""
        room = self.max_length - len(query.split())
        return [" ".join(text.split()[-room:]) for text in texts]


@asynccontextmanager
async def serving(
    scorer: Scorer, *, tokens: TokenLengths | None = None, **options: object
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application around the scorer, from its start to its end."""
    app = create_app(Reranker(scorer), read_settings(**options), tokens=tokens)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=URL, timeout=None) as client,  # noqa: S113  # no network
    ):
        yield client


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; TimeoutError after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
