"""One bundle's scores of a search's hits: as many as can be read within the budget, and why there are none."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from relsearch.live.gateway.refusals import NotRerankedError
from relsearch.live.gateway.scoring.breaker import Breaker
from relsearch.live.gateway.scoring.job import Choice, Job
from relsearch.live.gateway.scoring.readers import reader_of
from relsearch.live.gateway.scoring.reading import ReadingThreads, join_all
from relsearch.live.tracing import child_span
from relsearch.rerank.reading_order import warm_up as warm_up_order
from relsearch.rerank.reranker import Reranker

_log = logging.getLogger(__name__)
Result = TypeVar("Result")
Scores = dict[int, float]

_FINISHING_THREADS = 4
_PATIENCE_S = 2.0  # for threads to end
_MEMORY = 0.2
# Of the budget: calls that are under way when reading ends still hold the cores while the scores are computed.
_LEAST_FOR_FINISHING, _MOST_FOR_FINISHING = 0.12, 0.4
_TYPICAL = "how fast does this machine read a passage " * 12  # 500 characters


class Scoring:
    """A reranker, the threads that read for it, and a breaker that its own failures alone open."""

    def __init__(
        self,
        reranker: Reranker,
        *,
        threads: int | None = None,
        queued: int = 64,
        breaker: Breaker | None = None,
        stalled_s: float = 5.0,
    ) -> None:
        self.reranker = reranker
        self.breaker = breaker or Breaker()
        self._reader = reader_of(reranker.scorer)
        self.reading = ReadingThreads(self._reader, threads=threads, stalled_s=stalled_s, failed=self._test)
        self.held_documents = 0  # scored for searches so far, and in memory before
        self.read_documents = 0  # scored for searches so far, and read for them
        self._queued = queued
        self._finishing = DaemonThreads(_FINISHING_THREADS)
        self._finish_s = 0.0
        self._second_s = 0.0  # of one of its texts

    @property
    def most_characters(self) -> int:
        """How many characters of a text are looked at."""
        return self._reader.most_characters

    @property
    def stored(self) -> int | None:
        """How many documents a store of vectors has, None where there is none."""
        return self._reader.stored

    def warm_up(self) -> int:
        """Read and score some texts, which measures their cost; return how many documents fit into a second."""
        for turn in range(4):
            # The first call pays for what is loaded then.
            if turn == 1:
                self.reading.seconds_a_character = 0.0
            self.reading.measure(f"{turn} {_TYPICAL}")
        warm_up_order()
        self._finish(self.reranker, "how fast", [f"{turn} {_TYPICAL}" for turn in range(4)], [0.0] * 4, None)
        return int(self.reading.threads / max(self.reading.cost_s(_TYPICAL), 1e-6))

    async def score(
        self,
        reranker: Reranker,
        query: str,
        texts: Sequence[str],
        first_stage: Sequence[float],
        *,
        until: float,
        weights_fixed: bool = False,
    ) -> Scores:
        """Return the scores, by place, of those texts that are read until `until` of time.monotonic.

        Where not all can be, those are read that look most promising (relsearch.rerank.reading_order).

        `reranker` is the threads' own, or one with other weights; unless these are fixed, the engine's scores weigh the
        more, the fewer texts were read. Raise NotRerankedError where there is none.
        """
        if self.breaker.state != "closed":
            if self.breaker.take_probe():
                self._finishing.submit(self._probe)
            raise NotRerankedError("breaker_open")
        try:
            with child_span("relsearch reading"):
                held = await self._in_time(lambda: self._reader.look(query, texts), until)
                job = await self._read(query, texts, held, until)
            with child_span("relsearch scoring"):
                found = await self._in_time(
                    lambda: self._finish(reranker, query, texts, first_stage, until, weights_fixed=weights_fixed), until
                )
        except NotRerankedError:
            raise
        except Exception as exc:
            self._finishing.submit(self._test)
            raise NotRerankedError("error") from exc
        if not found:
            raise self._reason(job)
        self.held_documents += min(sum(held), len(found))
        self.read_documents += max(len(found) - sum(held), 0)
        return found

    def close(self) -> None:
        """End the threads, and save what was read; one that hangs is left behind."""
        self.reading.close()
        self._finishing.close()

    async def _read(self, query: str, texts: Sequence[str], held: Sequence[bool], until: float) -> Job | None:
        """Have read what is not held, as far as there is time; return the job, None where there was nothing to read."""
        if all(held):
            return None
        unread = [text for text, known in zip(texts, held, strict=True) if not known]
        choice = Choice(self._reader, query, texts)
        fits = self.reading.fits(unread, until - time.monotonic())
        if any(held) and not fits:
            with suppress(NotRerankedError):  # then they are read in the engine's order
                half_time = (time.monotonic() + until) / 2
                unread = await self._in_time(lambda: choice.best_first(unread) or unread, half_time)
        job = self._start(query, unread, held, until, None if fits else choice)
        try:
            await asyncio.wait({asyncio.wrap_future(job.done)}, timeout=max(job.until - time.monotonic(), 0.0))
        finally:
            self.reading.leave(job)
        return job

    def _start(self, query: str, texts: list[str], held: Sequence[bool], until: float, choice: Choice | None) -> Job:
        if self.reading.stalled and not any(held):
            raise NotRerankedError("stalled")
        if self.reading.active >= self._queued and not any(held):
            raise NotRerankedError("overloaded")
        left_s = until - time.monotonic()
        finish_s = min(max(3 * self._finish_s, _LEAST_FOR_FINISHING * left_s), _MOST_FOR_FINISHING * left_s)
        return self.reading.start(query, texts, until=until - finish_s, choice=choice)

    def _reason(self, job: Job | None) -> NotRerankedError:
        if job is not None and job.error is not None:
            return NotRerankedError("error")
        if self.reading.stalled:
            return NotRerankedError("stalled")
        return NotRerankedError("deadline" if job is None or job.started else "overloaded")

    def _finish(
        self,
        reranker: Reranker,
        query: str,
        texts: Sequence[str],
        first_stage: Sequence[float],
        until: float | None,
        *,
        weights_fixed: bool = False,
    ) -> Scores:
        """Score what is in memory by now, all of it together."""
        began = time.monotonic()
        places = [place for place, known in enumerate(self._reader.holds(query, texts)) if known]
        if not places:
            return {}
        known = [texts[place] for place in places]
        scores = self._reader.scores(query, known)
        self._finish_s += _MEMORY * (time.monotonic() - began - self._finish_s) if self._finish_s else 0.0
        self._finish_s = self._finish_s or time.monotonic() - began
        read = dict(zip(places, scores, strict=True))
        combined = reranker.combine_read(query, texts, read, first_stage, weights_fixed=weights_fixed)
        rescored = self._rescored(reranker, query, known, list(combined.values()), until)
        return dict(zip(places, rescored, strict=True))

    def _rescored(
        self, reranker: Reranker, query: str, texts: list[str], scores: list[float], until: float | None
    ) -> list[float]:
        """Let the second reranker, if there is one, read as many of the best as fit."""
        second = reranker.cascade
        if second is None:
            return scores
        size = min(second.size, len(texts))
        if until is not None and self._second_s:
            size = min(size, int((until - time.monotonic()) / self._second_s))
        if size < 1:
            return scores
        began = time.monotonic()
        found = replace(second, size=size).rescore(query, texts, scores)
        self._second_s = (time.monotonic() - began) / size
        return found

    async def _in_time(self, work: Callable[[], Result], until: float) -> Result:
        """Do work beside the loop; raise NotRerankedError where it does not end in time."""
        future = asyncio.wrap_future(self._finishing.submit(work))
        try:
            return await asyncio.wait_for(future, max(until - time.monotonic(), 0.0))
        except TimeoutError:
            raise NotRerankedError("stalled" if self.reading.stalled else "deadline") from None

    def _probe(self) -> None:
        try:
            self._reader.test()
        except Exception:
            self.breaker.failed()
        else:
            self.breaker.succeeded()
            _log.warning("the reranker answers again")

    def _test(self) -> None:
        """Find out whether a failure was the reranker's own: then it fails on a text of ours as well."""
        try:
            self._reader.test()
        except Exception as exc:
            self.breaker.failed()
            if self.breaker.state == "open":
                _log.warning(
                    "reranker raised %s; searches keep the engine's order until it answers again", type(exc).__name__
                )
        else:
            self.breaker.succeeded()


class DaemonThreads:
    """A few threads that keep the process from nothing: one that hangs is left behind."""

    def __init__(self, threads: int) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], object], Future[object]] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name="relsearch-score", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Have work done; the future may be cancelled while it waits."""
        future: Future[Result] = Future()
        self._jobs.put((work, future))  # type: ignore[arg-type]  # a future's result is invariant
        return future

    def close(self) -> None:
        """End the threads once they have done what waits; one that hangs is left behind."""
        for _ in self._threads:
            self._jobs.put(None)
        join_all(self._threads, _PATIENCE_S)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except Exception as exc:
                future.set_exception(exc)
