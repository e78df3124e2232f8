"""A run of the store that is slow enough to be killed: `python -m tests.judge.slow_run STORE LOG`; loads no torch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from relsearch.core.query_pool import QueryPool, pools_of
from relsearch.core.types import SCALES, Judgment, Pair
from relsearch.judge.judge_base import JudgeBase
from relsearch.judge.store.judgment_store import judge_all

PART_PAIRS = 10
_PAIR_S = 0.001


class LoggingJudge(JudgeBase):
    """A fake whose distributions have no short decimal form; it appends the id of each document it judged to a log."""

    def __init__(self, log: Path, *, pair_s: float = 0.0) -> None:
        super().__init__(fingerprint="logging", scale=SCALES["0-3"])
        self._log = log
        self._pair_s = pair_s

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Log, then yield; one write a pair, so that a kill leaves whole lines."""
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for pool in pools:
                yield [self._logged(pair, descriptor) for pair in pool.pairs()]
        finally:
            os.close(descriptor)

    def _logged(self, pair: Pair, descriptor: int) -> Judgment:
        time.sleep(self._pair_s)
        os.write(descriptor, f"{pair.doc_id}\n".encode())
        number = int(pair.doc_id[1:])
        weights = [1 / (1 + number % (7 + grade)) for grade in self.scale.grades]
        row = tuple(weight / sum(weights) for weight in weights)
        return self.judgment(pair, max(self.scale.grades, key=lambda level: row[level]), row)


def many_pools() -> list[QueryPool]:
    """2,000 distinct pairs of 20 queries."""
    pairs = [Pair(f"q{n % 20}", f"d{n}", f"sea salt {n % 20}", f"salt water number {n}") for n in range(2000)]
    return pools_of(pairs)


if __name__ == "__main__":
    if "torch" in sys.modules:
        sys.exit("the store loads torch: each start would cost seconds")
    judge_all(LoggingJudge(Path(sys.argv[2]), pair_s=_PAIR_S), many_pools(), Path(sys.argv[1]), part_pairs=PART_PAIRS)
