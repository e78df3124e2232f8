"""The store of judgments: nothing lost to a kill, nothing judged twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from relsearch.errors import DataError
from relsearch.judge.store import content_key, judge_all
from relsearch.types import Judgment, Pair
from tests.judge.conftest import WordOverlapJudge

# Judges 400 pairs in parts of 10, slowly enough to be killed in the middle.
_SLOW_RUN = """
import sys, time
from pathlib import Path
from relsearch.judge.store import judge_all
from tests.judge.conftest import WordOverlapJudge
from tests.judge.test_store import many_pairs

class Slow(WordOverlapJudge):
    def judge(self, pairs):
        for judgment in super().judge(pairs):
            time.sleep(0.003)
            yield judgment

judge_all(Slow(), many_pairs(), Path(sys.argv[1]), part_pairs=10)
"""


class CountingJudge(WordOverlapJudge):
    """A fake that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Count and judge."""
        for pair in pairs:
            self.asked += 1
            yield from super().judge([pair])


def many_pairs() -> list[Pair]:
    """400 distinct pairs of 20 queries."""
    return [Pair(f"q{n % 20}", f"d{n}", f"sea salt {n % 20}", f"salt water number {n}") for n in range(400)]


def test_a_known_pair_is_not_judged_again(pairs: list[Pair], tmp_path: Path) -> None:
    """The second run asks the judge nothing and returns the same table."""
    judge = CountingJudge()
    first = judge_all(judge, pairs, tmp_path)
    asked = judge.asked
    assert judge_all(judge, pairs, tmp_path).equals(first)
    assert judge.asked == asked == len(pairs)


def test_the_same_texts_under_other_ids_are_one_pair(tmp_path: Path) -> None:
    """The key is content: two ids of one text cost one judgment and both get it."""
    judge = CountingJudge()
    twins = [Pair("q1", "a", "sea", "the sea"), Pair("q2", "b", "sea", "the sea")]
    table = judge_all(judge, twins, tmp_path)
    assert judge.asked == 1
    assert table.select("query_id", "doc_id", "grade").rows() == [("q1", "a", 1), ("q2", "b", 1)]


def test_new_pairs_are_added_to_old_ones(pairs: list[Pair], tmp_path: Path) -> None:
    """A longer list judges only its new pairs."""
    judge = CountingJudge()
    judge_all(judge, pairs[:15], tmp_path, part_pairs=4)
    table = judge_all(judge, pairs, tmp_path, part_pairs=4)
    assert judge.asked == len(pairs)
    assert table["doc_id"].to_list() == [pair.doc_id for pair in pairs]


def test_another_fingerprint_is_another_label(pairs: list[Pair]) -> None:
    """Judge, query and text each change the key; ids do not."""
    pair = pairs[0]
    key = content_key("one", pair)
    assert key != content_key("two", pair)
    assert key != content_key("one", replace(pair, text=pair.text + "."))
    assert key != content_key("one", replace(pair, query=pair.query + "."))
    assert key == content_key("one", replace(pair, doc_id="other"))


def test_a_judge_that_skips_a_pair_is_refused(pairs: list[Pair], tmp_path: Path) -> None:
    """A missing judgment is an error, never a grade."""

    class Skipping(WordOverlapJudge):
        def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
            return super().judge(list(pairs)[1:])

    with pytest.raises(DataError, match="one judgment a pair"):
        judge_all(Skipping(), pairs, tmp_path)


def test_a_half_written_part_is_not_read(pairs: list[Pair], tmp_path: Path) -> None:
    """What a kill left behind does not disturb the next run."""
    (tmp_path / "part-00001.parquet.partial").write_bytes(b"PAR1 half")
    assert judge_all(WordOverlapJudge(), pairs, tmp_path).height == len(pairs)


def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    """A kill -9 in the middle loses at most one part; the finished table is the unbroken run's."""
    broken = tmp_path / "broken"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for kept in (3, 12):
        process = subprocess.Popen([sys.executable, "-c", _SLOW_RUN, str(broken)], env=environment)
        deadline = time.monotonic() + 60
        while len(list(broken.glob("*.parquet"))) < kept and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert kept <= len(list(broken.glob("*.parquet"))) < 40
    judge = CountingJudge()
    resumed = judge_all(judge, many_pairs(), broken, part_pairs=10)
    assert 0 < judge.asked <= 400 - 12 * 10
    assert resumed.equals(judge_all(WordOverlapJudge(), many_pairs(), tmp_path / "whole", part_pairs=10))
