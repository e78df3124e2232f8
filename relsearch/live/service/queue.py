"""What waits to be scored: requests as jobs, dealt out as batches of a token budget."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_TOKENS_PER_S = 10_000.0  # believed until the first batch was timed
_WEIGHT = 0.2  # of a new batch in the running mean of the speed


@dataclass(slots=True, eq=False)
class Job:
    """One request's distinct texts; `done` resolves when all are scored."""

    query: str
    texts: Sequence[str]
    tokens: Sequence[int]
    done: asyncio.Future[dict[str, float]]
    scores: dict[str, float] = field(default_factory=dict)
    dealt: int = 0  # how many of its texts were put into batches
    waiting_tokens: int = field(init=False)  # of the others

    def __post_init__(self) -> None:
        self.waiting_tokens = sum(self.tokens)

    def add(self, scores: dict[str, float]) -> None:
        """Take scores of some of its texts; the last ones resolve `done`."""
        self.scores |= scores
        if len(self.scores) == len(self.texts) and not self.done.done():
            self.done.set_result(self.scores)

    def fail(self, error: Exception) -> None:
        """Resolve `done` with an error."""
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(frozen=True, slots=True)
class Part:
    """The texts of one job that a batch holds."""

    job: Job
    texts: Sequence[str]
    tokens: int


class Queue:
    """Jobs in the order of arrival plus own length, so that short ones pass long ones and none starves."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, float, int, Job]] = []
        self._count = 0
        self.waiting_tokens = 0
        self.tokens_per_s = _TOKENS_PER_S

    @property
    def wait_s(self) -> float:
        """How long what waits will take, at the speed of the last batches."""
        return self.waiting_tokens / self.tokens_per_s

    def push(self, job: Job, *, priority: int) -> None:
        """Add a job; a lower priority number goes first."""
        tokens = job.waiting_tokens
        self.waiting_tokens += tokens
        finish = time.monotonic() + tokens / self.tokens_per_s
        heapq.heappush(self._heap, (priority, finish, self._count, job))
        self._count += 1

    def deal(self, max_tokens: int) -> list[Part]:
        """Return the next batch: at most `max_tokens`, or one text; jobs that nobody waits for are dropped."""
        parts: list[Part] = []
        room = max_tokens
        while self._heap and (room > 0 or not parts):
            job = self._heap[0][-1]
            if job.done.done():
                self._pop()
                continue
            count = _fitting(job.tokens[job.dealt :], room, at_least=0 if parts else 1)
            if not count:
                break
            parts.append(self._take(job, count))
            room -= parts[-1].tokens
            if job.dealt == len(job.texts):
                self._pop()
        return parts

    def drop_abandoned(self) -> None:
        """Forget jobs that nobody waits for, so that they do not hold room."""
        kept = [entry for entry in self._heap if not entry[-1].done.done()]
        heapq.heapify(kept)
        self._heap = kept
        self.waiting_tokens = sum(entry[-1].waiting_tokens for entry in kept)

    def learn_speed(self, tokens: int, seconds: float) -> None:
        """Take the speed of a finished batch into the running mean."""
        self.tokens_per_s += _WEIGHT * (tokens / max(seconds, 1e-6) - self.tokens_per_s)

    def _take(self, job: Job, count: int) -> Part:
        chosen = slice(job.dealt, job.dealt + count)
        part = Part(job, job.texts[chosen], sum(job.tokens[chosen]))
        job.dealt += count
        job.waiting_tokens -= part.tokens
        self.waiting_tokens -= part.tokens
        return part

    def _pop(self) -> None:
        self.waiting_tokens -= heapq.heappop(self._heap)[-1].waiting_tokens


def _fitting(tokens: Iterable[int], room: int, *, at_least: int) -> int:
    count = 0
    for size in tokens:
        room -= size
        if room < 0 and count >= at_least:
            break
        count += 1
    return count
