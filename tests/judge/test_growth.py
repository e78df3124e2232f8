"""Cost grows with the number of pairs and documents, not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from relsearch.core.query_pool import QueryPool
from relsearch.core.types import SCALES, Judgment
from relsearch.judge.judge_base import JudgeBase
from relsearch.judge.store.judgment_store import judge_all
from relsearch.rerank.vectors.folder import VectorFolder
from relsearch.rerank.vectors.interaction import DocumentVectors
from relsearch.rerank.vectors.store import StoreFacts

_TIMES, _MOST = 4, 8  # so many times the rows may take this many times the CPU; a square takes 16 times
_VECTORS = DocumentVectors(np.zeros(4, np.float16), np.zeros((1, 4), np.int8))


class _FreeJudge(JudgeBase):
    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Give every pair the same grade."""
        return ([self.judgment(pair, 1, (0.1, 0.7, 0.1, 0.1)) for pair in pool.pairs()] for pool in pools)


def test_judging_takes_time_in_proportion(tmp_path: Path) -> None:
    """The store of judgments with a judge that costs nothing, in many small parts."""

    def judge(pairs: int) -> None:
        pools = (
            QueryPool(f"q{start}", f"query {start}", (ids := tuple(f"d{start + n}" for n in range(20))), ids)
            for start in range(0, pairs, 20)
        )
        judge_all(_FreeJudge(fingerprint="free", scale=SCALES["0-3"]), pools, tmp_path / str(pairs), part_pairs=40)

    assert _ratio(judge, 2_500) < _MOST


def test_storing_vectors_takes_time_in_proportion(tmp_path: Path) -> None:
    """The folder of document vectors with an encoder that costs nothing."""

    def store(documents: int) -> None:
        folder = VectorFolder(tmp_path / str(documents), StoreFacts(encoder="free", pooled=4, tokens=4))
        folder.add(map(str, range(documents)), lambda texts: [_VECTORS] * len(texts))

    assert _ratio(store, 10_000) < _MOST


def _ratio(run: Callable[[int], None], size: int) -> float:
    run(size // 10)  # what the first call alone takes
    return _cpu_s(run, size * _TIMES) / _cpu_s(run, size)


def _cpu_s(run: Callable[[int], None], size: int) -> float:
    started = time.process_time()
    run(size)
    return time.process_time() - started
