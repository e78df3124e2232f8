"""Runs and labels from whatever a program holds become one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from relsearch.core.errors import DataError
from relsearch.core.types import SCALES
from relsearch.data.frames import Runs, labels_table, run_table
from relsearch.data.memory import MemoryCollection

ROWS = {"qid": ["q1", "q1", "q2"], "docno": ["a", "b", "a"], "score": [1.0, 2.0, 3.0]}
NESTED = {"q1": {"a": 1.0, "b": 2.0}, "q2": {"a": 3.0}}
TREC = "q1 Q0 a 1 1.0 run\nq1 Q0 b 2 2.0 run\nq2 Q0 a 1 3.0 run\n"


def _written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_run_is_the_same_from_file_frame_and_dict(tmp_path: Path) -> None:
    """Best first by score, with ranks from 1; ids that are numbers become text."""
    forms: list[Any] = [_written(tmp_path, "run", TREC), NESTED, pl.DataFrame(ROWS), pd.DataFrame(ROWS)]
    for form in forms:
        table = run_table(form)
        rows = [("q1", "b", 1, 2.0), ("q1", "a", 2, 1.0), ("q2", "a", 1, 3.0)]
        assert table.select("query_id", "doc_id", "rank", "score").rows() == rows
    assert run_table({"q": {"a": 1, "b": 0.5}})["score"].to_list() == [1.0, 0.5]
    assert run_table(pd.DataFrame({"q_id": [7], "doc_id": [8], "score": [1]})).row(0)[:2] == ("7", "8")


def test_no_file_is_read_to_tell_whether_a_run_is_there() -> None:
    """Reading one takes seconds."""
    runs = Runs({"absent": "nowhere.trec"})
    assert "absent" in runs
    assert "other" not in runs
    with pytest.raises(DataError):
        runs["absent"]


def test_labels_are_the_same_from_file_frame_dict_and_collection(tmp_path: Path) -> None:
    """Human ones, unless the frame says otherwise; what is below the scale is its lowest grade."""
    nested = {"q1": {"a": 2, "b": -1}}
    frame = {"query_id": ["q1", "q1"], "docno": ["a", "b"], "label": [2, -1]}
    forms: list[Any] = [
        _written(tmp_path, "qrels", "q1 0 a 2\nq1 0 b -1\n"),
        nested,
        pl.DataFrame(frame),
        pd.DataFrame(frame),
        MemoryCollection({}, {}, qrels=nested),
    ]
    for form in forms:
        table = labels_table(form, SCALES["0-3"])
        assert table.select("doc_id", "grade", "source").rows() == [("a", 2, "human"), ("b", 0, "human")]
    judged = labels_table(pl.DataFrame({**frame, "source": ["judge"] * 2, "probabilities": [[0.5, 0.5], None]}))
    assert judged["source"].to_list() == ["judge", "judge"]
    assert judged["probabilities"].to_list() == [[0.5, 0.5], None]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"q": 1}, "'q' has no dict"),
        ([1.0], "list is no run"),
        ({"q": {"d": "high"}}, "score"),
        ({"q": {"d": float("nan")}}, "NaN or infinite"),
        ({"q 1": {"d": 1.0}}, "query_id 'q 1'"),
        (pl.DataFrame({"qid": ["q"], "score": [1.0]}), "no column 'doc_id'"),
        (pd.DataFrame({"qid": ["q", "q"], "docno": ["d", "d"], "score": [1.0, 2.0]}), "'d' appears twice"),
    ],
)
def test_a_run_that_is_none_is_refused(run: Any, said: str) -> None:
    """With what is wrong in it."""
    with pytest.raises(DataError, match=f"^run: .*{said}"):
        run_table(run)


def test_a_table_of_a_run_is_checked_as_other_runs_are(tmp_path: Path) -> None:
    """The error names the file."""
    table, path = run_table(NESTED), tmp_path / "run.parquet"
    table.write_parquet(path)
    assert run_table(path).equals(table)
    for broken, said in (
        (pl.concat([table, table[:1]]), "document 'b' appears twice for query 'q1'"),
        (table.with_columns(score=pl.lit(float("nan"))), "a score is NaN or infinite"),
    ):
        broken.write_parquet(path)
        with pytest.raises(DataError, match=rf"run\.parquet: {said}"):
            run_table(path)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"q": {"d": 7}}, "grade 7 is outside scale 0-3"),
        ({"q": {"d": float("nan")}}, "column 'grade'"),
        ({"q": {"d": 1, "e": 0.5}}, "column 'grade' holds numbers that are not whole"),
        ([("q", "d", 1)], "tuple is no label"),
        (7, "int is no label"),
        (pl.DataFrame(), "it has no columns"),
    ],
)
def test_labels_that_are_none_are_refused(labels: Any, said: str) -> None:
    """With what is wrong in them, under the name that the caller gives them."""
    with pytest.raises(DataError, match=f"^judgments: .*{said}"):
        labels_table(labels, SCALES["0-3"], what="judgments")
