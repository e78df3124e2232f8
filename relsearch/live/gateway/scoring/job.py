"""What one search has read, and in which order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from relsearch.live.gateway.scoring.readers import Reader
from relsearch.rerank.reading_order import STEP, ReadingOrder
from relsearch.stats.logistic import log_odds

Key = tuple[str, str]


class Choice:
    """Which of a search's texts, which come in the engine's order, to read next: the most promising ones."""

    def __init__(self, reader: Reader, query: str, texts: Sequence[str]) -> None:
        self._reader = reader
        self._query = query
        self._texts = list(dict.fromkeys(texts))
        self._order = ReadingOrder(self._texts)
        self._logits: dict[int, float] = {}
        self._thinking = threading.Lock()

    def best_first(self, unread: Iterable[str]) -> list[str] | None:
        """Return the texts that have no score yet, most promising first; none of `unread` is known to have been read.

        None where few were read since the last call, while another thread is at it, and where scoring fails, which the
        search will hear of.
        """
        if not self._thinking.acquire(blocking=False):
            return None
        try:
            left = set(unread)  # the others are few: telling whether they are held takes a while
            begun = [at for at, text in enumerate(self._texts) if at not in self._logits and text not in left]
            held = self._reader.holds(self._query, [self._texts[place] for place in begun])
            read = [place for place, known in zip(begun, held, strict=True) if known]
            if len(read) < STEP:
                return None
            scores = self._reader.scores(self._query, [self._texts[place] for place in read])
            self._logits |= zip(read, log_odds(scores).tolist(), strict=True)
            return [self._texts[place] for place in self._order.best_first(self._logits)]
        except Exception:
            return None
        finally:
            self._thinking.release()


@dataclass(slots=True, eq=False)
class Job:
    """What one search wants read, best first, until a time of time.monotonic."""

    query: str
    unread: deque[str]
    until: float
    choice: Choice | None = None
    done: Future[None] = field(default_factory=Future)
    waiting: set[Key] = field(default_factory=set)  # being read, for this search or for another
    started: bool = False
    one_by_one: bool = False  # one of its texts may be at fault
    faults: int = 0
    error: Exception | None = None

    def settle(self) -> None:
        """Say that no more is to come, once."""
        with suppress(InvalidStateError):  # said already, or nobody waits any more
            self.done.set_result(None)

    def prefer(self, texts: Sequence[str]) -> None:
        """Put what is still unread into the order of the texts, which hold all of it."""
        if not self.one_by_one:
            left = set(self.unread)
            self.unread = deque(text for text in texts if text in left)
