"""The store of judgments: nothing lost to a kill, nothing judged twice."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.errors import ArtifactError, DataError
from relsearch.core.query_pool import QueryPool, pools_of
from relsearch.core.types import Judgment, Pair
from relsearch.judge.store.judgment_store import content_key, judge_all, label_keys
from tests.conftest import REPOSITORY
from tests.judge.conftest import WordOverlapJudge, judge_pairs
from tests.judge.slow_run import PART_PAIRS, LoggingJudge, many_pools


class CountingJudge(WordOverlapJudge):
    """A fake that counts what it is asked."""

    asked = 0

    def label(self, pair: Pair) -> Judgment:
        """Count and judge."""
        self.asked += 1
        return super().label(pair)


class PoolJudge(WordOverlapJudge):
    """A fake that compares a pool's documents: its expected grade counts them; it remembers what it was asked."""

    def __init__(self, fingerprint: str = "pool") -> None:
        super().__init__(fingerprint)
        self.calls: list[list[QueryPool]] = []

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return all rows."""
        return range(len(pool))

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Judge the documents of each pool relative to each other."""
        self.calls.append([])
        for pool in pools:
            self.calls[-1].append(pool)
            yield [replace(self.label(pair), expected=float(len(pool))) for pair in pool.pairs()]


def test_a_known_pair_is_not_judged_again(pairs: list[Pair], tmp_path: Path) -> None:
    """The second run asks the judge nothing and returns the same table."""
    judge = CountingJudge()
    first = judge_all(judge, pools_of(pairs), tmp_path)
    asked = judge.asked
    assert judge_all(judge, pools_of(pairs), tmp_path).equals(first)
    assert judge.asked == asked == len(pairs)


def test_the_same_texts_under_other_ids_are_one_pair(tmp_path: Path) -> None:
    """The key is content: two ids of one text cost one judgment and both get it."""
    judge = CountingJudge()
    twins = [Pair("q1", "a", "sea", "the sea"), Pair("q2", "b", "sea", "the sea")]
    table = judge_all(judge, pools_of(twins), tmp_path)
    assert judge.asked == 1
    assert table.select("query_id", "doc_id", "grade").rows() == [("q1", "a", 1), ("q2", "b", 1)]


def test_new_pairs_are_added_to_old_ones(pairs: list[Pair], tmp_path: Path) -> None:
    """A longer list judges only its new pairs."""
    judge = CountingJudge()
    judge_all(judge, pools_of(pairs[:15]), tmp_path, part_pairs=4)
    table = judge_all(judge, pools_of(pairs), tmp_path, part_pairs=4)
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
        def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
            return (labels[1:] for labels in super().judge(pools))

    with pytest.raises(DataError, match="one judgment per document"):
        judge_all(Skipping(), pools_of(pairs), tmp_path)


def test_a_half_written_part_is_not_read(pairs: list[Pair], tmp_path: Path) -> None:
    """What a kill left behind does not disturb the next run."""
    (tmp_path / "part-00001.parquet.partial").write_bytes(b"PAR1 half")
    assert judge_all(WordOverlapJudge(), pools_of(pairs), tmp_path).height == len(pairs)


def test_a_damaged_part_is_named(pairs: list[Pair], tmp_path: Path) -> None:
    """A part that cannot be read is an error that says which file to delete; it is not passed over."""
    judge_all(WordOverlapJudge(), pools_of(pairs), tmp_path, part_pairs=10)
    (tmp_path / "part-00002.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(ArtifactError, match=r"part-00002\.parquet: damaged; delete it"):
        judge_all(WordOverlapJudge(), pools_of(pairs), tmp_path, part_pairs=10)


def test_parts_are_numbered_on_past_five_digits(pairs: list[Pair], tmp_path: Path) -> None:
    """The part after 100,000 is 100,001, whatever the order of the names."""
    judge_all(WordOverlapJudge(), pools_of(pairs[:20]), tmp_path, part_pairs=10)
    for old, new in (("00001", "99999"), ("00002", "100000")):
        (tmp_path / f"part-{old}.parquet").rename(tmp_path / f"part-{new}.parquet")
    judge_all(WordOverlapJudge(), pools_of(pairs), tmp_path, part_pairs=100)
    assert {path.name for path in tmp_path.glob("part-*")} == {
        f"part-{number}.parquet" for number in ("99999", "100000", "100001")
    }


def test_a_pool_is_never_split(pairs: list[Pair], tmp_path: Path) -> None:
    """Pools of ten come whole in batches of four, of fifteen and of all."""
    for size, calls in ((4, [1, 1, 1, 1]), (15, [2, 2]), (256, [4])):
        judge = PoolJudge()
        table = judge_all(judge, pools_of(pairs), tmp_path / str(size), part_pairs=size)
        assert [len(call) for call in judge.calls] == calls
        assert {len(pool) for call in judge.calls for pool in call} == {10}
        assert table["expected"].to_list() == [10.0] * len(pairs)


def test_labels_come_pool_by_pool(pairs: list[Pair], tmp_path: Path) -> None:
    """The table has the queries in the order of the pools, and the documents in each pool's order."""
    mixed = pairs[::3] + pairs[1::3] + pairs[2::3]
    for name, judge in (("pools", PoolJudge()), ("pairs", WordOverlapJudge())):
        table = judge_all(judge, pools_of(mixed), tmp_path / name, part_pairs=4)
        expected = [(one.query_id, one.doc_id, one.grade) for one in judge_pairs(WordOverlapJudge(), mixed)]
        assert table.select("query_id", "doc_id", "grade").rows() == expected


def test_a_document_more_changes_its_pool_alone(pairs: list[Pair], tmp_path: Path) -> None:
    """The pool that grew is judged again as a whole; the labels of the others are known."""
    judge = PoolJudge()
    judge_all(judge, pools_of(pairs), tmp_path)
    new = replace(pairs[0], doc_id="new", text="a new text about a cat")
    table = judge_all(judge, pools_of([*pairs, new]), tmp_path)
    assert [(pool.query_id, len(pool)) for call in judge.calls[1:] for pool in call] == [("q1", 11)]
    assert table["expected"].to_list() == [11.0] * 11 + [10.0] * 30


def test_a_known_pool_is_not_judged_again(pairs: list[Pair], tmp_path: Path) -> None:
    """The pool is a set: its pairs in another order, under other ids, or with a twin among them are known."""
    judge = PoolJudge()
    judge_all(judge, pools_of(pairs), tmp_path)
    renamed = [replace(pair, doc_id=f"other-{pair.doc_id}") for pair in reversed(pairs)]
    table = judge_all(judge, pools_of([*renamed, replace(pairs[0], doc_id="twin")]), tmp_path)
    assert len(judge.calls) == 1
    assert table.height == len(pairs) + 1
    assert "twin" in table["doc_id"]


def test_wanted_pairs_are_judged_in_their_pool_only_where_it_matters(pairs: list[Pair], tmp_path: Path) -> None:
    """A judge of single documents is asked for the wanted ones, one that compares a pool's documents for all of it."""
    wanted = {(pair.query_id, pair.doc_id) for pair in pairs[3:5]}
    single, comparing = CountingJudge(), PoolJudge()
    table = judge_all(single, pools_of(pairs), tmp_path / "single", wanted=wanted)
    assert (single.asked, set(table.select("query_id", "doc_id").rows())) == (2, wanted)
    table = judge_all(comparing, pools_of(pairs), tmp_path / "pool", wanted=wanted)
    assert table["expected"].to_list() == [10.0] * 10
    assert set(table["query_id"]) == {pairs[3].query_id}


def test_a_missing_label_is_asked_for_with_its_whole_pool(pairs: list[Pair], tmp_path: Path) -> None:
    """A label that depends on the pool is never made of a part of it, and known labels stay."""

    class Forgetful(PoolJudge):
        def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
            for first, *rest in super().judge(pools):
                yield [replace(first, grade=None) if len(self.calls) == 1 else first, *rest]

    judge = Forgetful()
    table = judge_all(judge, pools_of(pairs[:10]), tmp_path)
    again = judge_all(judge, pools_of(pairs[:10]), tmp_path)
    assert [len(pool) for call in judge.calls for pool in call] == [10, 10]
    assert (table["grade"].null_count(), again["grade"].null_count()) == (1, 0)
    assert again["expected"].to_list() == [10.0] * 10


def test_documents_judged_alone_come_in_batches_of_the_size_asked(pairs: list[Pair], tmp_path: Path) -> None:
    """Where the pool does not matter, a part may end within one."""
    judge_all(WordOverlapJudge(), pools_of(pairs), tmp_path, part_pairs=15)
    parts = sorted(tmp_path.glob("part-*.parquet"))
    assert [pl.read_parquet(part).height for part in parts] == [15, 15, 10]


def test_the_keys_of_stores_on_disk_stay() -> None:
    """Labels that an earlier version kept are found again."""
    texts = ("the sea", "tea \udc00", "the sea")
    pool = QueryPool("q", "sea", ("a", "b", "c"), texts)
    assert [key[:16] for key in label_keys(WordOverlapJudge("f"), pool)] == [
        "8790c0011c9b4fa7",
        "fe55345a8343bf42",
        "8790c0011c9b4fa7",
    ]
    assert [key[:16] for key in label_keys(PoolJudge("f"), pool)] == [
        "bc90adde5530893e",
        "ddc1901c857da2ba",
        "bc90adde5530893e",
    ]


def test_a_store_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    """A second process is refused in one line while the first judges, and harms nothing."""
    store, log = tmp_path / "store", tmp_path / "log"
    with _killed(store, log, lines=1), pytest.raises(ArtifactError, match="another process works in it"):
        judge_all(WordOverlapJudge(), many_pools(), store, part_pairs=PART_PAIRS)
    assert judge_all(LoggingJudge(log), many_pools(), store, part_pairs=PART_PAIRS).height == 2000


def test_many_parts_become_few(tmp_path: Path) -> None:
    """The labels stay, and those that a kill left twice, after a merge, count once."""
    judge = CountingJudge()
    first = judge_all(judge, many_pools(), tmp_path, part_pairs=5)
    parts = sorted(tmp_path.glob("part-*.parquet"))
    assert len(parts) < 2000 / 5 / 5
    assert sum(pl.read_parquet(part).height for part in parts) == 2000
    shutil.copy(parts[0], tmp_path / "part-99999.parquet")
    assert judge_all(judge, many_pools(), tmp_path, part_pairs=5).equals(first)
    assert judge.asked == 2000


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    """Each kill -9 costs at most the batch in hand, no label is lost, and the finished table is the same bytes."""
    store, log = tmp_path / "store", tmp_path / "log"
    draw = random.Random(13)  # noqa: S311
    done: set[str] = set()
    for _ in range(20):
        before = len(_lines(log))
        with _killed(store, log, lines=draw.randrange(25)):
            time.sleep(draw.uniform(0, 0.02))
        judged = _lines(log)[before:]
        assert len(set(judged) - done) == len(judged)
        before_kill, done = done, _doc_ids(store)
        assert before_kill <= done
        assert len(set(judged) - done) <= PART_PAIRS
    assert 0 < len(done) < 2000
    resumed = judge_all(LoggingJudge(log), many_pools(), store, part_pairs=PART_PAIRS)
    assert len(_lines(log)) <= 2000 + 20 * PART_PAIRS
    whole = judge_all(LoggingJudge(tmp_path / "other"), many_pools(), tmp_path / "whole", part_pairs=PART_PAIRS)
    assert _written(resumed, tmp_path / "resumed.parquet") == _written(whole, tmp_path / "whole.parquet")


@contextmanager
def _killed(store: Path, log: Path, *, lines: int) -> Iterator[None]:
    """Start a slow run, wait until it has judged so many pairs, and kill it after the block."""
    wanted = len(_lines(log)) + lines
    command = [sys.executable, "-m", "tests.judge.slow_run", str(store), str(log)]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        # The deadline only ends a run that hangs: a start that is merely slow is waited for.
        deadline = time.monotonic() + 120
        while len(_lines(log)) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        assert len(_lines(log)) >= wanted
        yield
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def _doc_ids(store: Path) -> set[str]:
    return {doc_id for path in store.glob("*.parquet") for doc_id in pl.read_parquet(path)["doc_id"]}


def _written(table: pl.DataFrame, path: Path) -> bytes:
    tables.write(table, path, tables.JUDGMENTS)
    return path.read_bytes()
