"""What a gateway reads where there is no time for a whole window."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

from relsearch.live.gateway.scoring.job import Choice
from relsearch.live.gateway.scoring.readers import PairReader
from relsearch.live.gateway.scoring.reading import ReadingThreads
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.rerank.reranker import Reranker
from tests.rerank.fake_scorer import OverlapScorer

QUERY = "steep green tea"
TEA = "green tea leaves steep in water"
# Two documents on tea stand among the engine's first four, one among its last.
TEXTS = [TEA, "tides", "the moon", f"{TEA} again", *(f"harbour number {turn}" for turn in range(95)), f"hot {TEA}"]
_TEXT_S, _BUDGET_S = 0.05, 1.0  # all would take five seconds


class _Slow(OverlapScorer):
    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Take a while for each text."""
        time.sleep(_TEXT_S * len(texts))
        return super().score(query, texts)


def _scores(scoring: Scoring) -> dict[int, float]:
    until = time.monotonic() + _BUDGET_S
    return asyncio.run(scoring.score(scoring.reranker, QUERY, TEXTS, [0.0] * len(TEXTS), until=until))


def test_the_promising_ones_are_read_in_time() -> None:
    """The engine's first ones, then what shares its words with the best of them, however far down it stands."""
    scoring = Scoring(Reranker(_Slow()), threads=1)
    try:
        scoring.warm_up()
        read = _scores(scoring)
    finally:
        scoring.close()
    assert {0, 1, 2, 3, 99} <= set(read)
    assert len(read) < len(TEXTS)


def test_what_earlier_searches_read_helps_to_choose() -> None:
    """Then the most promising one is read first."""
    scoring = Scoring(Reranker(_Slow()), threads=1)
    try:
        scoring.warm_up()
        scoring._reader.read(QUERY, TEXTS[:4])
        scoring.reading.seconds_a_character = _BUDGET_S  # by which no second text would fit
        read = _scores(scoring)
    finally:
        scoring.close()
    assert set(read) == {0, 1, 2, 3, 99}


class _Pondering(PairReader):
    """Hangs where a search first thinks over what to read, until it is let go."""

    def __init__(self) -> None:
        super().__init__(OverlapScorer())
        self.thinks, self.go = threading.Event(), threading.Event()

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Wait for `go`, once."""
        if not self.thinks.is_set():
            self.thinks.set()
            self.go.wait(30)
        return super().scores(query, texts)


def test_thinking_keeps_no_other_search_waiting() -> None:
    """What was read is there for all searches at once, before the one that it was read for thinks on."""
    reader = _Pondering()
    reading = ReadingThreads(reader, threads=2)
    reading.seconds_a_character = 1e-9  # all fit into one call
    try:
        until = time.monotonic() + 20
        first = reading.start(QUERY, TEXTS, until=until, choice=Choice(reader, QUERY, TEXTS))
        assert reader.thinks.wait(10)
        other = reading.start(QUERY, TEXTS[:4], until=until)
        other.done.result(timeout=10)
    finally:
        reader.go.set()
        reading.close()
    assert first.error is None


def test_a_search_that_thinks_too_long_is_still_answered() -> None:
    """Half its time is the most that it thinks before it reads; then what is there is scored."""
    scoring = Scoring(Reranker(OverlapScorer()), threads=1)
    reader = scoring._reader = _Pondering()
    reader.read(QUERY, TEXTS[:4])
    scoring.reading.seconds_a_character = _BUDGET_S  # not all of them fit
    try:
        read = _scores(scoring)
    finally:
        reader.go.set()
        scoring.close()
    assert {0, 1, 2, 3} <= set(read)
