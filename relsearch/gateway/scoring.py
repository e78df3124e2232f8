"""Scoring beside the event loop: few threads, a bounded queue, a deadline and a breaker."""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from relsearch.gateway.breaker import Breaker
from relsearch.gateway.refusals import NotRerankedError
from relsearch.protocols import Scorer
from relsearch.rerank.cascade import Second
from relsearch.rerank.mix import NOTHING, Mix, PooledScorer, mixed_scores

_log = logging.getLogger(__name__)
Scores = list[float]


@dataclass(frozen=True, slots=True)
class _Job:
    query: str
    texts: Sequence[str]
    first_stage: Sequence[float]
    mix: Mix
    future: Future[Scores]


class ScoringThreads:
    """Runs one scorer, and what reranks its head, on `threads` threads; at most `queued` searches wait.

    The threads are daemons: one that hangs in its scorer keeps neither the gateway from answering nor the process
    from ending.
    """

    def __init__(
        self,
        scorer: Scorer,
        template: str,
        *,
        mix: Mix = NOTHING,
        then: Second | None = None,
        threads: int = 1,
        queued: int = 16,
        breaker: Breaker | None = None,
    ) -> None:
        self.template = template
        self.mix = mix
        self.gives_feedback = isinstance(scorer, PooledScorer)
        self._scorer = scorer
        self._then = then
        self._breaker = breaker or Breaker()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(queued)
        self._threads = [
            threading.Thread(target=self._work, name="relsearch-score", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def score(
        self, query: str, texts: Sequence[str], first_stage: Sequence[float], mix: Mix, *, budget_s: float
    ) -> Scores:
        """Return a mixed score a text; raise NotRerankedError once the budget is spent, or at once when none can be."""
        if not self._breaker.allows():
            raise NotRerankedError("breaker_open")
        job = _Job(query, texts, first_stage, mix, Future())
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
        self._check(scores, len(texts))
        return scores

    def _check(self, scores: Scores, expected: int) -> None:
        if len(scores) != expected or not all(math.isfinite(score) for score in scores):
            self._fail("returned too few scores, or some that are not finite")
            raise NotRerankedError("error")
        self._breaker.succeeded()

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

    def _scored(self, job: _Job) -> Scores:
        scores = mixed_scores(self._scorer, job.query, job.texts, job.first_stage, job.mix)
        return self._then.rescored(job.query, job.texts, scores) if self._then else scores

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(self._scored(job))
            except Exception as exc:
                job.future.set_exception(exc)
