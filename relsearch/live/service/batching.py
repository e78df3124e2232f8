"""Scoring for many clients at once: a bounded queue in front of the scorer, emptied in batches of a token budget."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from relsearch.core.display.wording import counted
from relsearch.live.service.calls import distinct_texts, scores_of
from relsearch.live.service.metrics import Metrics
from relsearch.live.service.queue import Job, Part, Queue
from relsearch.live.service.refusals import (
    BackendError,
    InvalidError,
    OverloadedError,
    RefusedError,
    UnhealthyError,
    WouldTruncateError,
)
from relsearch.live.service.schema import Usage
from relsearch.live.service.settings import Settings
from relsearch.live.service.tokens import TokenLengths, estimated_lengths
from relsearch.live.tracing import child_span
from relsearch.rerank.abilities import ReadsDocuments, fetch_held
from relsearch.rerank.partly import placed
from relsearch.rerank.reranker import Reranker

_log = logging.getLogger(__name__)
_SHARE = 0.9  # of a budget is spent on reading
# Of a request's time limit, what may be planned: a longer queue gives no more answers, and more of them come too late.
_PLANNED = 0.6
_TYPICAL = "how fast does this machine read a passage " * 12
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a request's texts in their order, what they cost, and how many of the texts were read."""

    scores: list[float]
    usage: Usage
    read: int


class Batcher:
    """Owns the scorer's threads; a request waits in `score` until its texts are done, refused or too late."""

    def __init__(
        self,
        reranker: Reranker,
        settings: Settings,
        *,
        metrics: Metrics,
        tokens: TokenLengths | None = None,
    ) -> None:
        self._reranker = reranker
        self._settings = settings
        self._metrics = metrics
        self._tokens = tokens
        self._queue = Queue()
        self._requests = 0
        self._running = False
        self._ended = 0.0  # when the last batch was done
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Score a few pairs, which loads what is lazy and measures the speed, then begin to serve."""
        self._filled = asyncio.Event()
        # One thread more, for tokenising the next request.
        self._threads = ThreadPoolExecutor(self._settings.parallel_batches + 1, thread_name_prefix="relsearch-batch")
        for texts in (["up"], [f"{turn} {_TYPICAL}" for turn in range(8)]):  # the first call pays for what is loaded
            started = time.monotonic()
            await self._in_thread(scores_of, self._reranker.scorer, {"warm": texts})
        self._queue.learn_speed(sum(await self._lengths("warm", texts)), time.monotonic() - started)
        self._loops = [asyncio.create_task(self._serve()) for _ in range(self._settings.parallel_batches)]
        self._running = True

    async def close(self) -> None:
        """Refuse new requests, answer those accepted, then end."""
        self._running = False
        while self._requests:
            await asyncio.sleep(0.01)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._threads.shutdown()

    async def score(
        self,
        query: str,
        texts: Sequence[str],
        *,
        timeout_s: float | None = None,
        budget_s: float | None = None,
        priority: int = 0,
        whole_texts_only: bool = False,
        ends: bool = False,
    ) -> Scored:
        """Return one score a text; equal texts are scored once. With `ends`, a text too long is read at its end.

        With `budget_s`, what is read by then is enough; other texts keep their places (relsearch.rerank.partly).
        Raises OverloadedError where the queue is full, or a request cannot be done in time, BackendError where scoring
        failed or ran out of time, WouldTruncateError where a text must be cut and may not be. A cancelled call leaves
        the queue.
        """
        with self._accepted():
            limit_s = min(filter(None, (timeout_s, budget_s, self._settings.timeout_s)))
            partly, job = budget_s is not None, None
            due = time.monotonic() + (_SHARE if partly else _PLANNED) * limit_s
            try:
                async with asyncio.timeout(limit_s if not partly else _SHARE * limit_s):
                    if not self._queue.in_time(0, due, priority=priority, partly=partly):
                        raise self._full("what waits takes longer than the request's time")
                    distinct = list(dict.fromkeys(texts))
                    lengths = await self._lengths(query, distinct)
                    truncated = self._usage(lengths).truncated
                    if whole_texts_only and truncated:
                        raise WouldTruncateError(
                            f"{counted(truncated, 'text')} longer than the model reads; send truncate"
                        )
                    read = await self._ends(query, distinct) if ends else distinct
                    costs = dict(zip(read, await self._costs(read, lengths), strict=True))
                    job = self._enqueue(query, costs, due=due, partly=partly, priority=priority)
                    with child_span("relsearch reading"):
                        found = await job.done
            except TimeoutError:
                if not (partly and job and job.scores):
                    raise self._too_late(job, limit_s) from None
                found = dict(job.scores)
            finally:
                self._leave(job)
            with child_span("relsearch scoring"):
                found = await self._in_thread(self._combined, query, found)
        of_text = dict(zip(distinct, read, strict=True))
        known = {place: found[of_text[text]] for place, text in enumerate(texts) if of_text[text] in found}
        usage = self._usage([length for text, length in zip(read, lengths, strict=True) if text in found])
        scores = {each.place: each.score for each in placed(known, range(len(texts)))}
        return Scored([scores[place] for place in range(len(texts))], usage, len(known))

    def _combined(self, query: str, found: Mapping[str, float]) -> dict[str, float]:
        """The scores of one request's texts beside each other; their vectors were kept when they were scored."""
        try:
            scores = self._reranker.combine(query, list(found), list(found.values()))
        except Exception as exc:  # as in _answer: a model may raise anything, and its message may quote the texts
            _log.error("score interpolation failed: %s", type(exc).__name__)
            raise BackendError("the model failed; see the service's log") from exc
        return dict(zip(found, scores, strict=True))

    @contextmanager
    def _accepted(self) -> Iterator[None]:
        if not self._running:
            raise UnhealthyError("the service is starting or shutting down; ask another one")
        if self._requests >= self._settings.max_waiting_requests:
            raise self._full(f"{self._requests} requests are waiting")
        self._requests += 1
        self._metrics.waiting_requests.set(self._requests)
        try:
            yield
        finally:
            self._requests -= 1
            self._metrics.waiting_requests.set(self._requests)

    async def _lengths(self, query: str, texts: list[str]) -> list[int]:
        if self._tokens is None:
            return estimated_lengths(query, texts)
        return await self._in_thread(self._tokens.lengths, query, texts)

    async def _ends(self, query: str, texts: list[str]) -> list[str]:
        if self._tokens is None:
            raise InvalidError("truncation_direction Left: this model's tokenizer is unknown; send Right")
        return await self._in_thread(self._tokens.ends, query, texts)

    def _usage(self, lengths: list[int]) -> Usage:
        if self._tokens is None:
            return Usage(sum(lengths))
        longest = self._tokens.max_length
        return Usage(sum(min(length, longest) for length in lengths), sum(length > longest for length in lengths))

    async def _costs(self, texts: list[str], lengths: list[int]) -> list[int]:
        """The tokens of each text as they are read; a document that is kept or stored costs next to nothing."""
        longest = self._tokens.max_length if self._tokens else self._settings.max_batch_tokens
        scorer = self._reranker.scorer

        def held() -> list[bool]:
            return fetch_held(scorer, texts) if isinstance(scorer, ReadsDocuments) else [False] * len(texts)

        return [
            1 if known else min(length, longest)
            for known, length in zip(await self._in_thread(held), lengths, strict=True)
        ]

    def _enqueue(self, query: str, costs: Mapping[str, int], *, due: float, partly: bool, priority: int) -> Job:
        """Queue a request if it can be done in time, or as many of its texts as can, those that cost least first."""
        texts = list(costs)
        if partly:
            texts.sort(key=lambda text: costs[text] > 1)
            tokens = [costs[text] for text in texts]
            texts = texts[: self._queue.fitting(tokens, due, priority=priority, requests=self._requests)]
        total = sum(costs[text] for text in texts)
        if not texts or not (partly or self._queue.in_time(total, due, priority=priority)):
            raise self._full(f"{sum(costs.values())} tokens more would not be read in time")
        # A request larger than the whole queue is served when nothing else waits.
        if self._queue.waiting_tokens and self._queue.waiting_tokens + total > self._settings.max_waiting_tokens:
            raise self._full(f"{self._queue.waiting_tokens} tokens are waiting")
        done = asyncio.get_running_loop().create_future()
        job = Job(query, texts, [costs[text] for text in texts], done, due, partly)
        self._queue.push(job, priority=priority)
        self._metrics.waiting_tokens.set(self._queue.waiting_tokens)
        self._filled.set()
        return job

    def _full(self, what: str) -> OverloadedError:
        return OverloadedError(f"overloaded: {what}; try again later", retry_after_s=self._queue.wait_s)

    def _too_late(self, job: Job | None, limit_s: float) -> RefusedError:
        if job is None or not job.dealt or job.partly:
            return OverloadedError(f"nothing was read within {limit_s:g} s", retry_after_s=self._queue.wait_s)
        return BackendError(f"scoring took longer than {limit_s:g} s; send fewer documents or raise the time limit")

    def _leave(self, job: Job | None) -> None:
        # Cancelling the task that waits for a future cancels the future, too.
        if job is not None and (job.done.cancel() or job.done.cancelled()):
            self._queue.drop_abandoned()
            self._metrics.waiting_tokens.set(self._queue.waiting_tokens)
            self._metrics.dropped.inc()

    async def _serve(self) -> None:
        while True:
            await self._filled.wait()
            parts = self._queue.deal(self._settings.max_batch_tokens)
            self._metrics.waiting_tokens.set(self._queue.waiting_tokens)
            if parts:
                await self._run(parts)
            else:
                self._filled.clear()

    async def _run(self, parts: list[Part]) -> None:
        tokens, started = sum(part.tokens for part in parts), time.monotonic()
        try:
            await self._answer(parts)
        finally:
            self._queue.finished(tokens)
        # Two batches share the cores: a batch is worth the time since the one before it ended.
        ended = time.monotonic()
        self._queue.learn_speed(tokens, ended - max(started, self._ended))
        self._ended = ended
        self._metrics.batch_tokens.observe(tokens)
        self._metrics.batch_seconds.observe(ended - started)

    async def _answer(self, parts: list[Part]) -> None:
        waiting = [part for part in parts if not part.job.done.done()]
        wanted = distinct_texts(waiting)
        if not wanted:
            return
        try:
            scores = await self._in_thread(scores_of, self._reranker.scorer, wanted)
        except Exception as exc:  # whatever a model raises ends its requests, not the service
            if len(wanted) > 1:
                for query in wanted:  # one query's failure is not its neighbours'
                    await self._answer([part for part in waiting if part.job.query == query])
                return
            # The type alone: a message may quote the texts.
            _log.error("scoring failed: %s", type(exc).__name__)
            error = exc if isinstance(exc, BackendError) else BackendError("the model failed; see the service's log")
            for part in waiting:
                part.job.fail(error)
            return
        self._metrics.distinct.inc(sum(map(len, wanted.values())))
        for part in waiting:
            of_query = scores[part.job.query]
            part.job.add({text: of_query[text] for text in part.texts})

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        work = functools.partial(function, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
