"""Grading by people: the queue, each grade kept at once, undo, agreement, and what the grades say of the judge.

Every action is first a line of a journal, then in the qrels. A process that is killed between the two puts the last
line's grade into the qrels when it starts again. Where two people grade a pair, the qrels have the later grade; an undo
leaves the latest that is still there, or what the qrels had before anyone graded the pair here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from threading import RLock
from typing import Any

import polars as pl

from relsearch.core.errors import DataError, NothingToReviewError
from relsearch.core.files.text_files import write_text
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment, Scale
from relsearch.data.trec import read_qrels
from relsearch.labels.query_calibration import calibrate
from relsearch.labels.review import pick, with_grade
from relsearch.live.ui.journal import Journal
from relsearch.live.ui.judged import Judged
from relsearch.measure.agreement import Agreement, agreement

_Pair = tuple[str, str]
_QUEUE = 100  # pairs that are picked at once
_RESAMPLES = 1_000
CHECK_UP = 10  # grades between two looks at the judge
_LONGEST_COMMENT = 2_000


@dataclass(frozen=True, slots=True)
class CheckUp:
    """What `grades` grades say of the judge: agreement, and how many labels calibration on them moves."""

    grades: int
    agreement: Agreement
    queries: int
    up: int
    down: int
    labels: int


@dataclass(frozen=True, slots=True)
class Last:
    """A grader's last action; `judged` is the judge's grade of the pair."""

    action: str
    query_id: str
    doc_id: str
    grade: int | None
    judged: int | None


class Grading:
    """The grades of all graders on one qrels file; `fault` says why no pair can be picked, where that is so."""

    def __init__(self, qrels: Path, journal: Path, judged: Judged, *, scale: Scale, known: pl.DataFrame) -> None:
        self.scale = scale
        self.qrels = qrels
        self.fault: str | None = None
        self._judged = judged
        self._known = known.select("query_id", "doc_id")
        self._lock = RLock()
        self._queue: tuple[int, list[_Pair]] = (-1, [])
        self._check_up: tuple[tuple[int, int], CheckUp | None] = ((0, 0), None)
        self._journal = Journal(journal)
        self._actions: dict[str, list[dict[str, Any]]] = {}  # of each grader, without what was undone
        self._standing: dict[_Pair, list[dict[str, Any]]] = {}  # each pair's grades, whoever gave them, latest last
        self._before: dict[_Pair, int | None] = {}  # what the qrels had before the first of these
        for row in self._journal.rows:
            self._apply(row)
        self._check_qrels()
        self._restore_last()

    def next_pair(self, grader: str, *, again: str | None = None) -> _Pair | None:
        """Return the pair whose grade helps most, or the next that `again` has graded; None where none is left."""
        with self._lock:
            done = {_pair(row) for row in self._actions.get(grader, [])}
            if again:
                return next((pair for pair in self.grades(again) if pair not in done), None)
            closed = done | {pair for name in self._actions for pair in self.grades(name)}
            if not any(pair not in closed for pair in self._picked()):
                self._pick(closed)
            return next((pair for pair in self._picked() if pair not in closed), None)

    def grade(self, grader: str, pair: _Pair, grade: int, comment: str = "") -> None:
        """Keep a grade; giving the same one again changes nothing."""
        comment = comment.strip()[:_LONGEST_COMMENT]
        with self._lock:
            mine = [row for row in self._actions.get(grader, []) if _pair(row) == pair]
            latest = mine[-1] if mine else {}
            self._check_qrels()
            if (latest.get("grade"), latest.get("comment")) != (grade, comment):
                before = self._in_qrels().get(pair)
                self._keep(grader, "grade", pair, grade=grade, before=before, comment=comment)
            self._write(pair, grade)

    def skip(self, grader: str, pair: _Pair) -> None:
        """Keep that a grader passed on a pair."""
        with self._lock:
            if pair not in {_pair(row) for row in self._actions.get(grader, [])}:
                self._keep(grader, "skip", pair)

    def undo(self, grader: str, pair: _Pair) -> None:
        """Take a grader's last action back, also from the qrels, if it was on this pair."""
        with self._lock:
            last = (self._actions.get(grader) or [{}])[-1]
            if not last or _pair(last) != pair:  # asked for again after an answer was lost
                return
            self._check_qrels()
            self._keep(grader, "undo", pair, was=last["action"])
            if last["action"] == "grade":
                self._write(pair, self._settled(pair))

    def last(self, grader: str) -> Last | None:
        """Return a grader's last action with the judge's grade, which is not shown before."""
        if not (actions := self._actions.get(grader)):
            return None
        row = actions[-1]
        query_id, doc_id = _pair(row)
        mine = self._judged.table().filter((pl.col("query_id") == query_id) & (pl.col("doc_id") == doc_id))
        judged = mine["grade"][0] if mine.height else None
        return Last(row["action"], query_id, doc_id, row.get("grade"), judged)

    def grades(self, grader: str) -> dict[_Pair, int]:
        """Return a grader's grades, in the order in which they were given."""
        return {_pair(row): row["grade"] for row in self._actions.get(grader, []) if row["action"] == "grade"}

    def graders(self) -> list[str]:
        """Return the names of those who have graded."""
        return [name for name in self._actions if self.grades(name)]

    def left(self) -> int:
        """Return how many picked pairs nobody has graded."""
        anyone = {pair for name in self._actions for pair in self.grades(name)}
        return sum(pair not in anyone for pair in self._picked())

    def between(self) -> list[tuple[str, str, Agreement]]:
        """Return the agreement of each two graders on the pairs that both graded."""
        tables = {name: _table(self.grades(name)) for name in self.graders()}
        return [
            (first, second, agreement(tables[first], tables[second], self.scale, resamples=_RESAMPLES, seed=0))
            for first, second in combinations(tables, 2)
            if self.grades(first).keys() & self.grades(second).keys()
        ]

    def check_up(self) -> CheckUp | None:
        """Return what the grades say of the judge, anew after each ten; None before the first ten."""
        everyone: dict[_Pair, int] = {}
        for name in self._actions:
            everyone |= self.grades(name)
        judged = self._judged.table()
        count = len(everyone) // CHECK_UP * CHECK_UP
        if self._check_up[0] != (count, judged.height):
            found = self._measured(dict(list(everyone.items())[:count]), judged)
            self._check_up = (count, judged.height), found
        return self._check_up[1]

    def _measured(self, grades: Mapping[_Pair, int], judged: pl.DataFrame) -> CheckUp | None:
        human = _table(grades)
        # Without expected grades no AUC is asked for, which needs an optional package.
        labels = judged.with_columns(expected=pl.lit(None, pl.Float64))
        if human.join(labels.drop_nulls("grade"), on=["query_id", "doc_id"]).is_empty():
            return None
        found = agreement(human, labels, self.scale, resamples=_RESAMPLES, seed=0)
        calibrated = calibrate(judged, human, self.scale)
        moved = calibrated.labels["grade"] - judged["grade"]
        up, down = int((moved > 0).sum()), int((moved < 0).sum())
        return CheckUp(len(grades), found, calibrated.queries, up, down, judged.height)

    def _picked(self) -> list[_Pair]:
        if self._queue[0] != self._judged.table().height:
            self._pick()
        return self._queue[1]

    def _pick(self, closed: Collection[_Pair] = ()) -> None:
        """Fill the queue with what nobody graded, without the pairs that are closed to who asks."""
        judged = self._judged.table()
        human = pl.concat([self._known, _pairs(self._in_qrels()), _pairs(closed)])
        picked, self.fault = self._known.clear(), None
        try:
            picked = pick(judged, human=human, pool=self._judged.pool(), count=_QUEUE)
        except NothingToReviewError:  # or none is judged yet
            pass
        except DataError as exc:
            self.fault = str(exc)
        self._queue = judged.height, list(picked.select("query_id", "doc_id").iter_rows())

    def _keep(self, grader: str, action: str, pair: _Pair, **rest: object) -> None:
        row = {"grader": grader, "action": action, "query_id": pair[0], "doc_id": pair[1], **rest}
        self._journal.append(row)
        self._apply(row)

    def _apply(self, row: dict[str, Any]) -> None:
        actions = self._actions.setdefault(row["grader"], [])
        if row["action"] == "undo":
            undone = actions.pop()
            self._standing[_pair(row)] = [each for each in self._standing.get(_pair(row), []) if each is not undone]
            return
        actions.append(row)
        if row["action"] == "grade":
            standing = self._standing.setdefault(_pair(row), [])
            if not standing:
                self._before[_pair(row)] = row["before"]
            standing.append(row)

    def _settled(self, pair: _Pair) -> int | None:
        """The grade that the qrels should have of a pair, None for no line."""
        standing = self._standing.get(pair)
        return standing[-1]["grade"] if standing else self._before.get(pair)

    def _restore_last(self) -> None:
        if not self._journal.rows:
            return
        row = self._journal.rows[-1]
        if row["action"] == "grade":
            self._write(_pair(row), row["grade"])
        elif row.get("was") == "grade":
            self._write(_pair(row), self._settled(_pair(row)))

    def _check_qrels(self) -> None:
        """Raise DataError where the qrels cannot be read or take a grade, before one is kept that would be lost."""
        self._in_qrels()
        with_grade(self.qrels, "", "", None)

    def _in_qrels(self) -> dict[_Pair, int]:
        if not self.qrels.exists():
            return {}
        rows = read_qrels(self.qrels, self.scale, may_be_empty=True).select("query_id", "doc_id", "grade").iter_rows()
        return {(query, doc): grade for query, doc, grade in rows}

    def _write(self, pair: _Pair, grade: int | None) -> None:
        write_text(self.qrels, with_grade(self.qrels, *pair, grade))


def _pair(row: Mapping[str, Any]) -> _Pair:
    return row["query_id"], row["doc_id"]


def _table(grades: Mapping[_Pair, int]) -> pl.DataFrame:
    return judgments_table(Judgment(*pair, grade, "human") for pair, grade in grades.items())


def _pairs(pairs: Collection[_Pair]) -> pl.DataFrame:
    return pl.DataFrame(list(pairs), schema={"query_id": pl.String, "doc_id": pl.String}, orient="row")
