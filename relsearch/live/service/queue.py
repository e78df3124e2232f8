"""What waits to be scored: requests as jobs, dealt out as batches of a token budget, and which can be in time."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

_TOKENS_PER_S = 10_000.0  # believed until the first batch was timed
_PART_S = 0.1  # of reading, for a request with a budget
_MEMORY_TOKENS = 20_000  # about as many of the last ones count for the speed


@dataclass(slots=True, eq=False)
class Job:
    """One request's distinct texts; `done` resolves when all are scored."""

    query: str
    texts: Sequence[str]
    tokens: Sequence[int]
    done: asyncio.Future[dict[str, float]]
    due: float = math.inf  # until when, of time.monotonic, it is to be done
    partly: bool = False  # it takes its turn by when it is due, whatever its length
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
        self.running_tokens = 0  # of the batches that are being scored
        self._tokens, self._seconds = _TOKENS_PER_S / 1000, 1 / 1000

    @property
    def tokens_per_s(self) -> float:
        """The speed of the last batches together."""
        return self._tokens / self._seconds

    @property
    def wait_s(self) -> float:
        """How long what waits and what is being scored will take, at the speed of the last batches."""
        return (self.waiting_tokens + self.running_tokens) / self.tokens_per_s

    def in_time(self, tokens: int, due: float, *, priority: int, partly: bool = False) -> bool:
        """Tell whether a job would be done when it is due, and make none late that waits already.

        Always so where nothing else is to do: the measured speed may be that of a busier hour.
        """
        if not self._heap and not self.running_tokens:
            return True
        now, speed = time.monotonic(), self.tokens_per_s
        total, place = self.running_tokens, (priority, due if partly else now + tokens / speed)
        behind = False
        for other, finish, _, job in sorted(self._heap):
            if not behind and (other, finish) > place:
                behind, total = True, total + tokens
                if now + total / speed > due:
                    return False
            total += job.waiting_tokens
            if behind and now + (total - tokens) / speed <= job.due < now + total / speed:
                return False
        return behind or now + (total + tokens) / speed <= due

    def fitting(self, costs: Sequence[int], due: float, *, priority: int, requests: int) -> int:
        """Return how many texts of a job that is done partly, first come first, can be scored in time.

        At least one where all is idle; of the time until it is due, a job gets the share of one of so many requests.
        """
        share = _fitting(costs, int((due - time.monotonic()) * self.tokens_per_s / requests), at_least=1)
        totals = list(accumulate(costs[:share]))
        return bisect_left(totals, True, key=lambda total: not self.in_time(total, due, priority=priority, partly=True))

    def push(self, job: Job, *, priority: int) -> None:
        """Add a job; a lower priority number goes first."""
        tokens = job.waiting_tokens
        self.waiting_tokens += tokens
        finish = job.due if job.partly else time.monotonic() + tokens / self.tokens_per_s
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
            # What is read for a budget comes back in small parts: one that is not done in time is lost.
            most = min(room, int(_PART_S * self.tokens_per_s)) if job.partly else room
            count = _fitting(job.tokens[job.dealt :], most, at_least=0 if parts else 1)
            if not count:
                break
            parts.append(self._take(job, count))
            room -= parts[-1].tokens
            if job.dealt == len(job.texts):
                self._pop()
            elif job.partly:
                break
        self.running_tokens += sum(part.tokens for part in parts)
        return parts

    def drop_abandoned(self) -> None:
        """Forget jobs that nobody waits for, so that they do not hold room."""
        kept = [entry for entry in self._heap if not entry[-1].done.done()]
        heapq.heapify(kept)
        self._heap = kept
        self.waiting_tokens = sum(entry[-1].waiting_tokens for entry in kept)

    def finished(self, tokens: int) -> None:
        """Say that a batch that was dealt is done."""
        self.running_tokens -= tokens

    def learn_speed(self, tokens: int, seconds: float) -> None:
        """Take a batch into the speed: its tokens, and the seconds in which no other batch ended."""
        kept = math.exp(-tokens / _MEMORY_TOKENS)
        self._tokens = kept * self._tokens + tokens
        self._seconds = kept * self._seconds + max(seconds, 1e-6)

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
