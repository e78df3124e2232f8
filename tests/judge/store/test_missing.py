"""Labels made on workers, here by ones in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pytest

from relsearch.core.errors import ConfigError
from relsearch.core.protocols import Opening
from relsearch.core.query_pool import QueryPool
from relsearch.judge.store.judgment_store import judge_all
from relsearch.judge.store.missing import on_workers
from tests.judge.conftest import WordOverlapJudge

POOLS = [QueryPool("q1", "green tea", ("a", "b"), ("green tea", "tides")), QueryPool("q2", "sea", ("c",), ("the sea",))]


class Backwards:
    """One worker in this process, which answers the last table first."""

    def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Do as RayWorkers.map does."""
        work = opening()
        return map(work, reversed(list(tables)))


def test_labels_of_workers_are_those_of_one_process(tmp_path: Path) -> None:
    """In the order of the pools, whatever the order in which batches end."""
    judge = on_workers(WordOverlapJudge, Backwards())
    found = judge_all(judge, POOLS, tmp_path / "workers", part_pairs=1)
    assert found.equals(judge_all(WordOverlapJudge(), POOLS, tmp_path / "here", part_pairs=1))


def test_workers_with_another_judge_are_refused(tmp_path: Path) -> None:
    """Its labels would stand in the store under the keys of the judge that was asked for."""
    names = iter(("here", "there"))
    judge = on_workers(lambda: WordOverlapJudge(next(names)), Backwards())
    with pytest.raises(ConfigError, match=r"is another one than that of the process that asks \(there, not here\)"):
        judge_all(judge, POOLS, tmp_path)
    assert not list(tmp_path.glob("part-*"))
