"""Tables: the schema is checked on the way out and on the way in."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.types import Candidate, Document, Judgment, Query


def test_judgments_survive_a_round_trip(tmp_path: Path) -> None:
    """What is written is read back, human and judged rows alike."""
    rows = [Judgment("q", "a", 2, "human"), Judgment("q", "b", 1, "judge", "j", (0.1, 0.6, 0.3), 1.2, 0.6)]
    table = tables.judgments_table(rows)
    tables.write(table, tmp_path / "j.parquet", tables.JUDGMENTS)
    assert tables.read(tmp_path / "j.parquet", tables.JUDGMENTS).equals(table)


def test_an_empty_table_keeps_its_columns() -> None:
    """No candidates is a table of no rows, not of no columns."""
    assert tables.candidates_table([]).columns == list(tables.CANDIDATES)
    assert tables.judgments_table([]).columns == list(tables.JUDGMENTS)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """A table of another stage is refused with the column it lacks."""
    tables.candidates_table([Candidate("q", "a", 1.0, 1, "embedded")]).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(DataError, match="no column 'grade'"):
        tables.read(tmp_path / "c.parquet", tables.JUDGMENTS)
    with pytest.raises(DataError, match="no such table"):
        tables.read(tmp_path / "absent.parquet", tables.JUDGMENTS)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("grade", [1.5], "column 'grade' holds numbers that are not whole"),
        ("grade", [2**40], "column 'grade' holds Int64; expected Int32"),
        ("grade", ["high"], "column 'grade' holds String; expected Int32"),
        ("doc_id", [None], "column 'doc_id' has no value in 1 row; give one"),
        ("doc_id", [1.0], "column 'doc_id' holds Float64; expected text"),
        ("probabilities", ["x"], "column 'probabilities' holds String; expected List"),
        ("confidence", [{"a": 1.0}], r"column 'confidence' holds Struct\(.*\); expected Float64"),
    ],
)
def test_a_foreign_table_loses_nothing_in_silence(
    tmp_path: Path, column: str, values: list[object], message: str
) -> None:
    """A column of another kind is named, not rounded."""
    table = tables.judgments_table([Judgment("q", "d", 1, "human")])
    table.with_columns(pl.Series(column, values)).write_parquet(tmp_path / "j.parquet")
    with pytest.raises(DataError, match=rf"j\.parquet: {message}"):
        tables.read(tmp_path / "j.parquet", tables.JUDGMENTS)


def test_what_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    """A text file of that name, an empty one, one that was cut."""
    path = tmp_path / "j.parquet"
    tables.judgments_table([Judgment("q", "d", 1, "human")]).write_parquet(path)
    whole = path.read_bytes()
    for data in (b"query_id,doc_id\n", b"", whole[:-20], whole[:40] + b"x" * 40 + whole[80:]):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"j\.parquet: no Parquet file, or a broken one"):
            tables.read(path, tables.JUDGMENTS)


def test_a_folder_of_tables_is_read_as_one(tmp_path: Path) -> None:
    """As grade writes them of files of pairs; one without any is no table."""
    with pytest.raises(DataError, match="a folder without"):
        tables.read(tmp_path, tables.JUDGMENTS)
    for name in ("d1", "d2"):
        tables.judgments_table([Judgment("q", name, 1, "human")]).write_parquet(tmp_path / f"{name}.parquet")
    assert tables.read(tmp_path, tables.JUDGMENTS)["doc_id"].to_list() == ["d1", "d2"]


def test_rows_become_records() -> None:
    """Queries and documents come back as the nouns; empty fields are left out."""
    queries = pl.DataFrame({"query_id": ["q"], "text": ["tea"], "split": ["train"]})
    documents = pl.DataFrame(
        {"doc_id": ["a"], "title": [None], "text": ["Green"]}, schema_overrides={"title": pl.String}
    )
    assert tables.queries_of(queries) == [Query("q", "tea")]
    assert list(tables.documents_of(documents)) == [Document("a", {"text": "Green"})]
