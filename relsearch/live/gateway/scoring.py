"""Scoring beside the event loop: few threads, a bounded queue, a deadline and a breaker."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from relsearch.live.gateway.breaker import Breaker
from relsearch.live.gateway.refusals import NotRerankedError
from relsearch.rerank.reranker import Reranker

_log = logging.getLogger(__name__)
Scores = list[float]


@dataclass(frozen=True, slots=True)
class _Job:
    reranker: Reranker
    query: str
    texts: Sequence[str]
    first_stage: Sequence[float]
    future: Future[Scores]


class ScoringThreads:
    """Runs one reranker on `threads` threads; at most `queued` searches wait.

    The threads are daemons: one that hangs in its reranker keeps neither the gateway from answering nor the process
    from ending.
    """

    def __init__(
        self,
        reranker: Reranker,
        *,
        threads: int = 1,
        queued: int = 16,
        breaker: Breaker | None = None,
    ) -> None:
        self.reranker = reranker
        self._breaker = breaker or Breaker()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(queued)
        self._threads = [
            threading.Thread(target=self._work, name="relsearch-score", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def score(
        self, reranker: Reranker, query: str, texts: Sequence[str], first_stage: Sequence[float], *, budget_s: float
    ) -> Scores:
        """Return a score a text by `reranker`: the threads' own, or one with other weights.

        Raise NotRerankedError once the budget is spent, or at once when none can be.
        """
        if not self._breaker.allows():
            raise NotRerankedError("breaker_open")
        job = _Job(reranker, query, texts, first_stage, Future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise NotRerankedError("overloaded") from None
        try:
            scores = await asyncio.wait_for(asyncio.wrap_future(job.future), budget_s)
        except TimeoutError:
            self._fail("did not answer in time")
            # A job that no thread has taken yet waited for others.
            raise NotRerankedError("overloaded" if job.future.cancelled() else "deadline") from None
        except Exception as exc:
            self._fail(f"raised {type(exc).__name__}")
            raise NotRerankedError("error") from exc
        self._breaker.succeeded()
        return scores

    def close(self) -> None:
        """Let idle threads end; one that hangs is left behind."""
        for _ in self._threads:
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                return

    def _fail(self, what: str) -> None:
        was_open = self._breaker.is_open
        self._breaker.failed()
        if self._breaker.is_open and not was_open:
            _log.warning("reranker %s; searches keep the engine's order until it answers again", what)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(job.reranker.score_pool(job.query, job.texts, job.first_stage))
            except Exception as exc:
                job.future.set_exception(exc)
