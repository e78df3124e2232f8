"""The store of judgments: nothing lost to a kill, nothing judged twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.errors import ArtifactError, DataError
from relsearch.core.types import Judgment, Pair
from relsearch.judge.judgment_store import content_key, judge_all
from tests.conftest import REPOSITORY
from tests.judge.conftest import WordOverlapJudge
from tests.judge.slow_run import PART_PAIRS, LoggingJudge, many_pairs


class CountingJudge(WordOverlapJudge):
    """A fake that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Count and judge."""
        for pair in pairs:
            self.asked += 1
            yield from super().judge([pair])


class PoolJudge(WordOverlapJudge):
    """A fake that looks at a query's other pairs: its expected grade counts them; it remembers its calls."""

    pooled = True

    def __init__(self) -> None:
        self.calls: list[list[Pair]] = []

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Judge a call's pairs against each other."""
        together = list(pairs)
        self.calls.append(together)
        sizes = Counter(pair.query for pair in together)
        for pair, judgment in zip(together, super().judge(together), strict=True):
            yield replace(judgment, expected=float(sizes[pair.query]))


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


def test_a_damaged_part_is_named(pairs: list[Pair], tmp_path: Path) -> None:
    """A part that cannot be read is an error that says which file to delete; it is not passed over."""
    judge_all(WordOverlapJudge(), pairs, tmp_path, part_pairs=10)
    (tmp_path / "part-00002.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(ArtifactError, match=r"part-00002\.parquet: damaged; delete it"):
        judge_all(WordOverlapJudge(), pairs, tmp_path, part_pairs=10)


def test_parts_are_numbered_on_past_five_digits(pairs: list[Pair], tmp_path: Path) -> None:
    """The part after 100,000 is 100,001, whatever the order of the names."""
    judge_all(WordOverlapJudge(), pairs[:20], tmp_path, part_pairs=10)
    for old, new in (("00001", "99999"), ("00002", "100000")):
        (tmp_path / f"part-{old}.parquet").rename(tmp_path / f"part-{new}.parquet")
    judge_all(WordOverlapJudge(), pairs, tmp_path, part_pairs=100)
    assert {path.name for path in tmp_path.glob("part-*")} == {
        f"part-{number}.parquet" for number in ("99999", "100000", "100001")
    }


def test_a_pool_is_never_split(pairs: list[Pair], tmp_path: Path) -> None:
    """Pools of ten come whole in batches of four, of fifteen and of all, even where queries are interleaved."""
    mixed = pairs[::3] + pairs[1::3] + pairs[2::3]
    for size, calls in ((4, [10, 10, 10, 10]), (15, [20, 20]), (256, [40])):
        judge = PoolJudge()
        table = judge_all(judge, mixed, tmp_path / str(size), part_pairs=size)
        assert [len(call) for call in judge.calls] == calls
        assert table["expected"].to_list() == [10.0] * len(mixed)


def test_pooled_labels_come_in_the_order_asked(pairs: list[Pair], tmp_path: Path) -> None:
    """The table follows the list, though the judge gets it query by query."""
    mixed = pairs[::3] + pairs[1::3] + pairs[2::3]
    table = judge_all(PoolJudge(), mixed, tmp_path, part_pairs=4)
    assert table.select("query_id", "doc_id").rows() == [(pair.query_id, pair.doc_id) for pair in mixed]
    assert table["grade"].to_list() == [judgment.grade for judgment in WordOverlapJudge().judge(mixed)]


def test_a_document_more_changes_its_pool_alone(pairs: list[Pair], tmp_path: Path) -> None:
    """The pool that grew is judged again as a whole; the labels of the others are known."""
    judge = PoolJudge()
    judge_all(judge, pairs, tmp_path)
    new = replace(pairs[0], doc_id="new", text="a new text about a cat")
    table = judge_all(judge, [*pairs, new], tmp_path)
    assert [{pair.query_id for pair in call} for call in judge.calls[1:]] == [{"q1"}]
    assert len(judge.calls[1]) == 11
    assert table["expected"].to_list() == [11.0] * 10 + [10.0] * 30 + [11.0]


def test_a_known_pool_is_not_judged_again(pairs: list[Pair], tmp_path: Path) -> None:
    """The pool is a set: its pairs in another order, under other ids, or with a twin among them are known."""
    judge = PoolJudge()
    judge_all(judge, pairs, tmp_path)
    renamed = [replace(pair, doc_id=f"other-{pair.doc_id}") for pair in reversed(pairs)]
    table = judge_all(judge, [*renamed, pairs[0]], tmp_path)
    assert len(judge.calls) == 1
    assert table["doc_id"].to_list() == [pair.doc_id for pair in renamed] + [pairs[0].doc_id]


def test_a_judge_of_single_pairs_is_not_held_to_pools(pairs: list[Pair], tmp_path: Path) -> None:
    """Where pools do not matter, batches are as large as asked."""
    judge = PoolJudge()
    judge.pooled = False
    judge_all(judge, pairs, tmp_path, part_pairs=15)
    assert [len(call) for call in judge.calls] == [15, 15, 10]


def test_a_store_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    """A second process is refused in one line while the first judges, and harms nothing."""
    store, log = tmp_path / "store", tmp_path / "log"
    with _killed(store, log, lines=1), pytest.raises(ArtifactError, match="another process works in it"):
        judge_all(WordOverlapJudge(), many_pairs(), store, part_pairs=PART_PAIRS)
    assert judge_all(LoggingJudge(log), many_pairs(), store, part_pairs=PART_PAIRS).height == len(many_pairs())


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    """Each kill -9 costs at most the batch in hand, parts only grow, and the finished table is the same bytes."""
    store, log = tmp_path / "store", tmp_path / "log"
    draw = random.Random(13)  # noqa: S311
    parts: dict[str, bytes] = {}
    done: set[str] = set()
    for _ in range(20):
        before = len(_lines(log))
        with _killed(store, log, lines=draw.randrange(25)):
            time.sleep(draw.uniform(0, 0.02))
        judged = _lines(log)[before:]
        assert len(set(judged) - done) == len(judged)
        now = _contents(store)
        assert parts.items() <= now.items()
        parts, done = now, _doc_ids(store)
        assert len(set(judged) - done) <= PART_PAIRS
    assert 0 < len(done) < len(many_pairs())
    resumed = judge_all(LoggingJudge(log), many_pairs(), store, part_pairs=PART_PAIRS)
    assert len(_lines(log)) <= len(many_pairs()) + 20 * PART_PAIRS
    whole = judge_all(LoggingJudge(tmp_path / "other"), many_pairs(), tmp_path / "whole", part_pairs=PART_PAIRS)
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


def _contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.glob("*.parquet")}


def _doc_ids(store: Path) -> set[str]:
    return {doc_id for path in store.glob("*.parquet") for doc_id in pl.read_parquet(path)["doc_id"]}


def _written(table: pl.DataFrame, path: Path) -> bytes:
    tables.write(table, path, tables.JUDGMENTS)
    return path.read_bytes()
