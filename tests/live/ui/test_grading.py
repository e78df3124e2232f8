"""Grades: in the qrels at once, taken back whole, kept through a kill, compared between people and with the judge."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from relsearch.core.errors import DataError
from relsearch.core.tables import judgments_table
from relsearch.core.types import SCALES, Judgment, Query
from relsearch.live.ui.app import create_app
from relsearch.live.ui.grading import Grading
from relsearch.live.ui.judged import JudgedTable
from relsearch.live.ui.workspace import Workspace
from tests.live.ui.conftest import ORIGIN, options


@pytest.fixture
def opened(folder: Path, tmp_path: Path, queries: list[Query]) -> Grading:
    """Grading into qrels that have a grade of another query already."""
    (tmp_path / "human.qrels").write_text("other 0 doc 3\n", encoding="utf-8")
    return reopened(folder, tmp_path, queries)


def reopened(folder: Path, tmp_path: Path, queries: list[Query]) -> Grading:
    """The same grading in another process's life."""
    judged = JudgedTable(folder / "judgments.parquet", queries, None)
    known = judgments_table([])
    return Grading(tmp_path / "human.qrels", tmp_path / "grades.jsonl", judged, scale=SCALES["0-3"], known=known)


def test_a_grade_is_in_the_qrels_at_once(opened: Grading, tmp_path: Path) -> None:
    """After what was there; the next pair is another one."""
    first = opened.next_pair("me")
    assert first is not None
    opened.grade("me", first, 2)
    assert (tmp_path / "human.qrels").read_text() == f"other 0 doc 3\n{first[0]} 0 {first[1]} 2\n"
    assert opened.next_pair("me") not in (None, first)


def test_undo_takes_a_grade_out_of_the_qrels(opened: Grading, tmp_path: Path) -> None:
    """The pair comes again; asking twice, as after a lost answer, takes nothing else back."""
    first, second = ("q1", "cat-1"), ("q1", "cat-2")
    opened.grade("me", first, 1)
    opened.grade("me", second, 2)
    opened.undo("me", second)
    opened.undo("me", second)
    assert (tmp_path / "human.qrels").read_text() == "other 0 doc 3\nq1 0 cat-1 1\n"
    assert opened.grades("me") == {first: 1}


def test_undo_brings_back_the_grade_that_was_there(opened: Grading, tmp_path: Path) -> None:
    """Whoever gave it."""
    opened.grade("ann", ("q1", "cat-1"), 1)
    opened.grade("bob", ("q1", "cat-1"), 3)
    assert "q1 0 cat-1 3" in (tmp_path / "human.qrels").read_text()
    opened.undo("bob", ("q1", "cat-1"))
    assert "q1 0 cat-1 1" in (tmp_path / "human.qrels").read_text()


def test_undo_leaves_the_later_grade_of_another(
    opened: Grading, folder: Path, tmp_path: Path, queries: list[Query]
) -> None:
    """Also after a kill before the qrels were written; when both are taken back, what was there before both is."""
    pair, qrels = ("q1", "cat-1"), tmp_path / "human.qrels"
    qrels.write_text("q1 0 cat-1 2\n", encoding="utf-8")
    opened.grade("ann", pair, 1)
    opened.grade("bob", pair, 3)
    opened.undo("ann", pair)
    assert qrels.read_text() == "q1 0 cat-1 3\n"
    qrels.write_text("q1 0 cat-1 0\n", encoding="utf-8")
    again = reopened(folder, tmp_path, queries)
    assert qrels.read_text() == "q1 0 cat-1 3\n"
    again.undo("bob", pair)
    assert qrels.read_text() == "q1 0 cat-1 2\n"


def test_qrels_that_cannot_take_a_grade_are_refused_first(
    opened: Grading, folder: Path, tmp_path: Path, queries: list[Query]
) -> None:
    """BEIR's form has three columns: no grade is kept that could not be written, and the next start works."""
    qrels, trec = tmp_path / "human.qrels", "other 0 doc 3\n"
    qrels.write_text("query-id\tcorpus-id\tscore\nother\tdoc\t3\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"human\.qrels:1: 3 columns; a line of qrels to add to is"):
        reopened(folder, tmp_path, queries)
    with pytest.raises(DataError, match="3 columns"):
        opened.grade("me", ("q1", "cat-1"), 1)
    assert opened.grades("me") == {}
    qrels.write_text(trec, encoding="utf-8")
    reopened(folder, tmp_path, queries)
    assert qrels.read_text() == trec


def test_a_grade_given_twice_counts_once(opened: Grading, tmp_path: Path) -> None:
    """As a browser sends it again after an answer was lost."""
    for _ in range(2):
        opened.grade("me", ("q1", "cat-1"), 1, "a comment")
    assert len((tmp_path / "grades.jsonl").read_text().splitlines()) == 1


def test_a_kill_between_journal_and_qrels_loses_nothing(
    opened: Grading, folder: Path, tmp_path: Path, queries: list[Query]
) -> None:
    """The last line of the journal goes into the qrels at the next start; half a line is no grade."""
    opened.grade("me", ("q1", "cat-1"), 1)
    (tmp_path / "human.qrels").write_text("other 0 doc 3\n", encoding="utf-8")
    with (tmp_path / "grades.jsonl").open("a") as journal:
        journal.write('{"grader": "me", "action": "gra')
    again = reopened(folder, tmp_path, queries)
    assert (tmp_path / "human.qrels").read_text() == "other 0 doc 3\nq1 0 cat-1 1\n"
    again.grade("me", ("q1", "cat-2"), 0)
    assert reopened(folder, tmp_path, queries).grades("me") == {("q1", "cat-1"): 1, ("q1", "cat-2"): 0}


def test_a_skipped_pair_does_not_come_again(opened: Grading) -> None:
    """To the one who skipped it, until that is taken back."""
    first = opened.next_pair("me")
    assert first is not None
    opened.skip("me", first)
    assert opened.next_pair("me") != first
    assert opened.next_pair("ann") == first
    opened.undo("me", first)
    assert opened.next_pair("me") == first


def test_more_pairs_come_than_are_picked_at_once(tmp_path: Path, queries: list[Query]) -> None:
    """Until all are graded or skipped; who skipped none of them gets the skipped ones."""
    shares = (0.3, 0.4, 0.2, 0.1)
    pairs = [(queries[number % 2].query_id, f"d{number}") for number in range(230)]
    labels = judgments_table(Judgment(*pair, 1, "judge", "j", shares, 1.1, 0.4) for pair in pairs)
    labels.write_parquet(tmp_path / "judgments.parquet")
    opened = reopened(tmp_path, tmp_path, queries)
    seen = []
    while pair := opened.next_pair("me"):
        seen.append(pair)
        if len(seen) % 2:
            opened.skip("me", pair)
        else:
            opened.grade("me", pair, 1)
    assert sorted(seen) == sorted(pairs)
    assert opened.next_pair("ann") in seen[::2]


def test_judgments_that_cannot_be_ordered_are_said(folder: Path, tmp_path: Path) -> None:
    """Not that all is graded; a pair that is named can be graded all the same."""
    path = tmp_path / "judgments.parquet"
    pl.read_parquet(folder / "judgments.parquet").with_columns(
        probabilities=pl.lit(None, pl.List(pl.Float64))
    ).write_parquet(path)
    workspace = Workspace(options(folder, tmp_path / "human.qrels", judgments=path))
    client = TestClient(create_app(workspace), base_url=ORIGIN, headers={"Origin": ORIGIN})
    assert "No pair can be picked. judgments: not every label has a distribution" in client.get("/grade").text
    assert 'name="doc" value="cat-1"' in client.get("/grade?query=q1&doc=cat-1").text
    workspace.close()


def test_two_graders_agree_on_what_both_graded(opened: Grading) -> None:
    """The second is asked for the first one's pairs, in their order."""
    pairs = [("q1", "cat-1"), ("q2", "tea-1"), ("q3", "sea-1")]
    for grade, pair in enumerate(pairs):
        opened.grade("ann", pair, grade)
    for grade, pair in enumerate(pairs):
        assert opened.next_pair("bob", again="ann") == pair
        opened.grade("bob", pair, grade)
    assert opened.next_pair("bob", again="ann") is None
    ((first, second, found),) = opened.between()
    assert (first, second, found.pairs) == ("ann", "bob", 3)
    assert found.kappa is not None
    assert found.kappa.value == 1


def test_after_ten_grades_the_judge_is_measured(opened: Grading) -> None:
    """Kappa on these ten, and how many labels calibration on them moves: down, where people find nothing."""
    for number in range(10):
        assert opened.check_up() is None
        pair = opened.next_pair("me")
        assert pair is not None
        opened.grade("me", pair, 0 if number else 1)
    found = opened.check_up()
    assert found is not None
    assert found.grades == found.agreement.pairs == 10
    assert found.agreement.kappa is not None
    assert found.down > 0
    assert found.up == 0


def test_the_judges_grade_is_shown_after_the_persons(client: TestClient, tmp_path: Path) -> None:
    """Not before."""
    page = client.get("/grade").text
    assert "the judge <b>1</b>" not in page
    fields = dict(re.findall(r'name="(query|doc)" value="([^"]*)"', page))
    page = client.post("/grade", data={**fields, "grade": "3"}).text
    assert "You gave <b>3</b>, the judge <b>1</b>" in page
    assert (tmp_path / "human.qrels").read_text() == f"{fields['query']} 0 {fields['doc']} 3\n"


@pytest.mark.parametrize(
    "fields",
    [
        {"query": "q1", "doc": "cat-1", "grade": "4"},
        {"query": "q1", "doc": "cat-1", "grade": "٣"},
        {"query": "q1", "doc": "absent", "grade": "1"},
        {"query": "absent", "doc": "cat-1", "grade": "1"},
        {},
    ],
)
def test_what_is_no_grade_is_refused(client: TestClient, tmp_path: Path, fields: dict[str, str]) -> None:
    """With a message, and nothing is written."""
    assert client.post("/grade", data=fields).status_code == 422
    assert not (tmp_path / "human.qrels").exists()
