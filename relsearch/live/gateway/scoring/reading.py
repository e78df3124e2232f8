"""Threads that read documents in turns: searches share them fairly, and what they leave is read when none waits."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from relsearch.live.gateway.scoring.job import Choice, Job, Key
from relsearch.live.gateway.scoring.readers import Reader
from relsearch.runtime.engine import available_cores

_log = logging.getLogger(__name__)
_CALL_S = 0.02  # what one call to the scorer is to take: between two, another search gets its turn
_MOST_A_CALL = 64
_SHORTEST = 200  # characters that a text counts for at least
_MEMORY = 0.1  # how fast the measured cost follows the machine
_MOST_FAULTS = 3  # of a search's texts in a row, then it is given up
_LATER_CHARACTERS = 16_000_000
_SAVED_TOGETHER = 64
_IDLE_S = 1.0
_NICENESS = 10
_PATIENCE_S = 2.0  # for threads to end


class ReadingThreads:
    """`threads` threads read for searches, by default one a core; half as many of low priority read what they leave."""

    def __init__(
        self,
        reader: Reader,
        *,
        threads: int | None = None,
        stalled_s: float = 5.0,
        failed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reader = reader
        self.threads = threads or available_cores()
        self.seconds_a_character = 0.0
        self.read = 0  # documents since the start
        self._stalled_s = stalled_s
        self._failed = failed
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._reading: dict[Key, float] = {}
        self._calls: dict[int, float] = {}  # of the threads that read for searches: since when
        self._later: OrderedDict[Key, int] = OrderedDict()
        self._later_characters = 0
        self._unsaved: list[str] = []
        self._saves = True
        self._closed = False
        workers = [(self._work, "relsearch-read")] * self.threads
        workers += [(self._work_later, "relsearch-later")] * max(1, self.threads // 2)
        self._threads = [threading.Thread(target=target, name=name, daemon=True) for target, name in workers]
        for thread in self._threads:
            thread.start()

    @property
    def active(self) -> int:
        """How many searches have documents read for them."""
        return len(self._jobs)

    @property
    def backlog(self) -> int:
        """How many documents are read when no search waits."""
        return len(self._later)

    @property
    def stalled(self) -> bool:
        """Whether every thread hangs in its scorer."""
        with self._changed:
            now = self._clock()
            hanging = sum(now - since > self._stalled_s for since in self._calls.values())
        return hanging >= self.threads

    def cost_s(self, text: str) -> float:
        """Return what reading a text costs one thread, 0 where nothing was measured yet."""
        return self.seconds_a_character * max(len(text), _SHORTEST)

    def fits(self, texts: Sequence[str], seconds: float) -> bool:
        """Tell whether the threads can read all texts in so many seconds, shared with the searches that read now."""
        return sum(map(self.cost_s, texts)) <= seconds * self.threads / (1 + self.active)

    def start(self, query: str, texts: Sequence[str], *, until: float, choice: Choice | None = None) -> Job:
        """Have texts read, first come first; the job is done once all are, or once no other fits before `until`.

        A choice changes their order as they are read.
        """
        job = Job(query, deque(dict.fromkeys(texts)), until, choice)
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()
        return job

    def leave(self, job: Job) -> None:
        """End a search's reading; what it leaves is read later."""
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
            if not job.error:
                self._put_off(job)
            self._changed.notify_all()

    def measure(self, text: str) -> None:
        """Read a text on the caller's thread to learn what reading costs; raise as the scorer does."""
        error = self._call("how fast", [text])
        if error is not None:
            raise error

    def close(self) -> None:
        """End the threads, and save what was read; a thread that hangs is left behind."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        # A thread that is inside a runtime written in C++ when the interpreter ends would abort the process.
        join_all(self._threads, _PATIENCE_S)
        self._save(everything=True)

    def _put_off(self, job: Job) -> None:
        # The newest search comes first, and of its documents those that would be read next.
        for text in reversed(job.unread):
            key = self.reader.key(job.query, text)
            if key in self._later:
                self._later.move_to_end(key)
            else:
                self._later[key] = len(text)
                self._later_characters += len(text)
        while self._later_characters > _LATER_CHARACTERS:
            self._later_characters -= self._later.popitem(last=False)[1]

    def _work(self) -> None:
        me = threading.get_ident()
        while True:
            with self._changed:
                while self._closed or (task := self._next()) is None:
                    if self._closed:
                        return
                    self._changed.wait()
                job, texts = task
                self._calls[me] = self._clock()
            error = self._call(job.query, texts)
            with self._changed:
                self._ended(job, texts, error)
                self._changed.notify_all()
                unread = list(job.unread) if job in self._jobs else []
            # Beside the lock: others who wait for these texts have them by now.
            preferred = job.choice.best_first(unread) if job.choice and unread and not job.one_by_one else None
            with self._changed:
                del self._calls[me]
                if preferred:
                    job.prefer(preferred)
            if error is not None:
                self._failed()

    def _next(self) -> tuple[Job, list[str]] | None:
        """The next texts to read, the searches taking turns."""
        for _ in range(len(self._jobs)):
            job = self._jobs[0]
            self._jobs.rotate(-1)
            if texts := self._picked(job):
                return job, texts
            self._settle(job)
        return None

    def _picked(self, job: Job) -> list[str]:
        texts: list[str] = []
        left_s = min(_CALL_S, job.until - self._clock())
        while job.unread and len(texts) < (1 if job.one_by_one else _MOST_A_CALL):
            text = job.unread[0]
            cost_s = self.cost_s(text)
            if texts and (cost_s == 0 or cost_s > left_s):
                break
            # The first is begun whatever it costs: the measured cost may be that of a busier hour.
            if self._clock() + (cost_s if job.started else 0.0) > job.until:
                return []
            key = self.reader.key(job.query, job.unread.popleft())
            if key in self._reading:
                job.waiting.add(key)
            elif not self.reader.holds(job.query, [text])[0]:
                texts.append(text)
                left_s -= cost_s
                self._reading[key] = self._clock()
                job.waiting.add(key)
                job.started = True
        return texts

    def _settle(self, job: Job) -> None:
        """End a search's reading where all is read, or nothing more can be in time."""
        if not job.waiting:
            job.settle()

    def _call(self, query: str, texts: Sequence[str]) -> Exception | None:
        began = self._clock()
        try:
            self.reader.read(query, texts)
        except Exception as exc:
            return exc
        spent = (self._clock() - began) / sum(max(len(text), _SHORTEST) for text in texts)
        known = self.seconds_a_character
        self.seconds_a_character = known + _MEMORY * (spent - known) if known else spent
        return None

    def _ended(self, job: Job, texts: Sequence[str], error: Exception | None) -> None:
        keys = {self.reader.key(job.query, text) for text in texts}
        for key in keys:
            self._reading.pop(key, None)
        if error is None:
            self.read += len(texts)
            job.faults = 0
            self._unsaved += texts
        else:
            self._faulty(job, texts, error)
        for each in self._jobs:
            each.waiting -= keys
            if not each.unread and not each.waiting:
                each.settle()

    def _faulty(self, job: Job, texts: Sequence[str], error: Exception) -> None:
        job.error = error
        if len(texts) > 1:
            job.one_by_one = True
            job.unread.extendleft(reversed(texts))
            return
        job.faults += 1
        if job.faults >= _MOST_FAULTS:
            job.unread.clear()

    def _work_later(self) -> None:
        if sys.platform == "linux":  # elsewhere a priority is the whole process's
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while True:
            with self._changed:
                if not self._closed and (self._jobs or not self._later):
                    self._changed.wait(_IDLE_S)
                if self._closed:
                    return
                key = self._next_later()
            if key is not None:
                query, text = key
                error = self._call(query, [text])
                with self._changed:
                    self._ended(Job(query, deque(), 0.0), [text], error)
            self._save(everything=key is None)

    def _next_later(self) -> Key | None:
        while self._later and not any(job.unread for job in self._jobs):
            key, length = self._later.popitem()
            self._later_characters -= length
            if key not in self._reading and not self.reader.holds(key[0], [key[1]])[0]:
                self._reading[key] = self._clock()
                return key
        return None

    def _save(self, *, everything: bool) -> None:
        with self._changed:
            enough = len(self._unsaved) >= (1 if everything else _SAVED_TOGETHER)
            if not (enough and self._saves):
                if not self._saves:
                    self._unsaved.clear()
                return
            texts, self._unsaved = self._unsaved, []
        try:
            self.reader.save(texts)
        except Exception as exc:  # the store is away or full: what was read stays in memory
            self._saves = False
            _log.warning("vectors are no longer saved (%s); they stay in memory until the gateway ends", exc)


def join_all(threads: Sequence[threading.Thread], patience_s: float) -> None:
    """Wait for threads to end, so many seconds for all of them together."""
    until = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0.0))
