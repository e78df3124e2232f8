"""A run of the store that is slow enough to be killed: `python -m tests.judge.slow_run STORE LOG`; loads no torch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from relsearch.core.types import SCALES, Judgment, Pair
from relsearch.judge.judgment_store import judge_all

PART_PAIRS = 10
_PAIR_S = 0.001


class LoggingJudge:
    """A fake whose distributions have no short decimal form; it appends the id of each document it judged to a log."""

    fingerprint = "logging"
    pooled = False
    scale = SCALES["0-3"]

    def __init__(self, log: Path, *, pair_s: float = 0.0) -> None:
        self._log = log
        self._pair_s = pair_s

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Log, then yield; one write a pair, so that a kill leaves whole lines."""
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for pair in pairs:
                time.sleep(self._pair_s)
                os.write(descriptor, f"{pair.doc_id}\n".encode())
                yield self._judgment(pair)
        finally:
            os.close(descriptor)

    def _judgment(self, pair: Pair) -> Judgment:
        number = int(pair.doc_id[1:])
        weights = [1 / (1 + number % (7 + grade)) for grade in self.scale.grades]
        row = tuple(weight / sum(weights) for weight in weights)
        grade = max(self.scale.grades, key=lambda level: row[level])
        expected = sum(level * share for level, share in zip(self.scale.grades, row, strict=True))
        return Judgment(pair.query_id, pair.doc_id, grade, "judge", self.fingerprint, row, expected, row[grade])


def many_pairs() -> list[Pair]:
    """2,000 distinct pairs of 20 queries."""
    return [Pair(f"q{n % 20}", f"d{n}", f"sea salt {n % 20}", f"salt water number {n}") for n in range(2000)]


if __name__ == "__main__":
    if "torch" in sys.modules:
        sys.exit("the store loads torch: each start would cost seconds")
    judge_all(LoggingJudge(Path(sys.argv[2]), pair_s=_PAIR_S), many_pairs(), Path(sys.argv[1]), part_pairs=PART_PAIRS)
