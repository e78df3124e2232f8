"""Labels made on workers, here by ones in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError
from relsearch.core.query_pool import QueryPool
from relsearch.judge.store.judgment_store import judge_all
from relsearch.judge.store.missing import on_workers
from tests.judge.conftest import WordOverlapJudge
from tests.workers import Backwards

POOLS = [QueryPool("q1", "green tea", ("a", "b"), ("green tea", "tides")), QueryPool("q2", "sea", ("c",), ("the sea",))]


def test_labels_of_workers_are_those_of_one_process(tmp_path: Path) -> None:
    """In the order of the pools, whatever the order in which batches end."""
    judge = on_workers(WordOverlapJudge, Backwards())
    found = judge_all(judge, POOLS, tmp_path / "workers", part_pairs=1)
    assert found.equals(judge_all(WordOverlapJudge(), POOLS, tmp_path / "here", part_pairs=1))


def test_workers_with_another_judge_are_refused(tmp_path: Path) -> None:
    """Its labels would stand in the store under the keys of the judge that was asked for."""
    names = iter(("here", "there"))
    judge = on_workers(lambda: WordOverlapJudge(next(names)), Backwards())
    with pytest.raises(ConfigError, match=r"is another one than that of the process that asks; give all machines"):
        judge_all(judge, POOLS, tmp_path)
    assert not list(tmp_path.glob("part-*"))
