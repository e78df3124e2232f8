"""A gateway on a free port in a thread, and the scorers that its tests put behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web

from relsearch.core.protocols import Scorer
from relsearch.live.gateway.answer.ranking import Ranking
from relsearch.live.gateway.app import Gateway, runner
from relsearch.live.gateway.config import GatewayConfig
from relsearch.live.gateway.metrics import Metrics
from relsearch.live.gateway.proxy import Upstream
from relsearch.live.gateway.scoring.breaker import Breaker
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.rerank.reranker import Reranker

TEMPLATE = "{title}\n{text}"


class LastWordScorer:
    """Scores a text by the number in it, so that the order is known beforehand; remembers the queries."""

    def __init__(self) -> None:
        self.queries: list[str] = []

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return n / 1000 for a text that ends in n."""
        self.queries.append(query)
        return [(int(text.split()[-1]) + 1) / 1000 for text in texts]


class RaisingScorer:
    """A reranker that is broken."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Raise."""
        raise RuntimeError("no model")


class HangingScorer:
    """A reranker that never answers until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Wait for `go`."""
        self.calls += 1
        self.go.wait(30)
        return [0.5] * len(texts)


@contextmanager
def gateway(
    url: str,
    scorer: Scorer,
    *,
    config: GatewayConfig | None = None,
    key: str | None = None,
    timeout_s: float | None = None,
    breaker: Breaker | None = None,
    queued: int = 16,
    threads: int = 2,
    stalled_s: float = 5.0,
) -> Iterator[str]:
    """Yield the URL of a gateway before an engine; it stops afterwards."""
    scoring = Scoring(Reranker(scorer, TEMPLATE), breaker=breaker, queued=queued, threads=threads, stalled_s=stalled_s)
    ranking = Ranking(config or GatewayConfig(), {None: scoring})
    answering = Gateway(Upstream(url, timeout_s=timeout_s), ranking, key, Metrics(ranking.scorers))
    with served(runner(answering, shutdown_timeout_s=0.1)) as address:
        yield address


@contextmanager
def served(server: web.AppRunner) -> Iterator[str]:
    """Yield the URL of a server that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> str:
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0).start()
        host, port = server.addresses[0][:2]
        return f"http://{host}:{port}"

    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(server.cleanup(), loop).result(40)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
