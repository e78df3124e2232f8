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
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

from relsearch.core.protocols import Scorer
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
from relsearch.rerank.reranker import Reranker

_log = logging.getLogger(__name__)
Wanted = dict[str, list[str]]  # the distinct texts of each query
P = ParamSpec("P")
T = TypeVar("T")


@runtime_checkable
class ManyScorer(Scorer, Protocol):
    """A scorer that takes a whole batch at once, whatever its queries."""

    def score_many(self, requests: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """Return the scores of each query's texts, as `score` would."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a request's texts in their order, and what they cost."""

    scores: list[float]
    usage: Usage


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
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Score one pair, so that the first client does not wait for what is lazy, then begin to serve."""
        self._filled = asyncio.Event()
        # One thread more, for tokenising the next request.
        self._threads = ThreadPoolExecutor(self._settings.parallel_batches + 1, thread_name_prefix="relsearch-batch")
        await self._in_thread(_scores, self._reranker.scorer, {"warm": ["up"]})
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
        priority: int = 0,
        whole_texts_only: bool = False,
        ends: bool = False,
    ) -> Scored:
        """Return one score a text; equal texts are scored once. With `ends`, a text too long is read at its end.

        Raises OverloadedError where the queue is full or the time ran out in it, BackendError where scoring
        failed or ran out of time, WouldTruncateError where a text must be cut and may not be. A cancelled call
        leaves the queue.
        """
        with self._accepted():
            limit_s = min(timeout_s or self._settings.timeout_s, self._settings.timeout_s)
            job: Job | None = None
            try:
                async with asyncio.timeout(limit_s):
                    distinct = list(dict.fromkeys(texts))
                    lengths = await self._lengths(query, distinct)
                    usage = self._usage(lengths)
                    if whole_texts_only and usage.truncated:
                        raise WouldTruncateError(f"{usage.truncated} texts are longer than the model; send truncate")
                    read = await self._ends(query, distinct) if ends else distinct
                    costs = dict(zip(read, lengths, strict=True))
                    job = self._enqueue(query, list(costs), list(costs.values()), priority=priority)
                    found = await job.done
                    found = await self._in_thread(self._combined, query, found)
            except TimeoutError:
                raise self._too_late(job, limit_s) from None
            finally:
                self._leave(job)
        of_text = dict(zip(distinct, read, strict=True))
        return Scored([found[of_text[text]] for text in texts], usage)

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

    def _enqueue(self, query: str, texts: list[str], lengths: list[int], *, priority: int) -> Job:
        longest = self._tokens.max_length if self._tokens else self._settings.max_batch_tokens
        costs = [min(length, longest) for length in lengths]
        # A request larger than the whole queue is served when nothing else waits.
        if self._queue.waiting_tokens and self._queue.waiting_tokens + sum(costs) > self._settings.max_waiting_tokens:
            raise self._full(f"{self._queue.waiting_tokens} tokens are waiting")
        job = Job(query, texts, costs, asyncio.get_running_loop().create_future())
        self._queue.push(job, priority=priority)
        self._metrics.waiting_tokens.set(self._queue.waiting_tokens)
        self._filled.set()
        return job

    def _full(self, what: str) -> OverloadedError:
        return OverloadedError(f"overloaded: {what}; try again later", retry_after_s=self._queue.wait_s)

    def _too_late(self, job: Job | None, limit_s: float) -> RefusedError:
        if job is None or not job.dealt:
            return OverloadedError(f"waited {limit_s:g} s in the queue", retry_after_s=self._queue.wait_s)
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
        started = time.perf_counter()
        await self._answer(parts)
        self._timed(sum(part.tokens for part in parts), time.perf_counter() - started)

    async def _answer(self, parts: list[Part]) -> None:
        waiting = [part for part in parts if not part.job.done.done()]
        wanted = _distinct(waiting)
        if not wanted:
            return
        try:
            scores = await self._in_thread(_scores, self._reranker.scorer, wanted)
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

    def _timed(self, tokens: int, seconds: float) -> None:
        self._queue.learn_speed(tokens * self._settings.parallel_batches, seconds)
        self._metrics.batch_tokens.observe(tokens)
        self._metrics.batch_seconds.observe(seconds)

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        work = functools.partial(function, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _distinct(parts: Sequence[Part]) -> Wanted:
    wanted: dict[str, dict[str, None]] = {}
    for part in parts:
        wanted.setdefault(part.job.query, {}).update(dict.fromkeys(part.texts))
    return {query: list(texts) for query, texts in wanted.items()}


def _scores(scorer: Scorer, wanted: Wanted) -> dict[str, dict[str, float]]:
    if isinstance(scorer, ManyScorer):
        found = scorer.score_many(list(wanted.items()))
    else:
        found = [scorer.score(query, texts) for query, texts in wanted.items()]
    for texts, scores in zip(wanted.values(), found, strict=True):
        if len(scores) != len(texts) or not all(0 < score < 1 for score in scores):
            raise BackendError("the model gave no score strictly inside (0, 1) for some text; export the bundle again")
    pairs = zip(wanted.items(), found, strict=True)
    return {query: dict(zip(texts, scores, strict=True)) for (query, texts), scores in pairs}
