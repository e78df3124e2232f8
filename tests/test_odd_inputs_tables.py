"""Odd tables and sheets: a result, or one of our errors in one line."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from relsearch.core import tables
from relsearch.core.types import SCALES, Judgment
from relsearch.labels.csv_form import read_csv
from tests.odd_inputs import answers, odd, odd_bytes, odd_files

SHEET = 'query_id,doc_id,query,passage,grade\nq1,d1,tea,"two\nlines",2\nq1,\'007,tea,Green,\nq2,d1,sea,Tides,0.0\n'
JUDGED = tables.judgments_table(
    [
        Judgment("q1", "d1", 2, "judge", "j", (0.1, 0.2, 0.3, 0.4), expected=2.0, confidence=0.3),
        Judgment("q2", "d1", None, "judge", "j"),
    ]
)
# What other tools may write under our names.
COLUMNS = st.sampled_from(
    [
        *([1, None], [1.0, 1.5], [float("nan"), 2.0], [2**40, 1], ["a", "1"], [True, False], [[1.0], None]),
        *([b"\xff", b""], [{"a": 1}, None], [None, None], [["x"], []], ["2024-01-01", ""]),
    ]
)


def _parquet(table: pl.DataFrame) -> bytes:
    stream = BytesIO()
    table.write_parquet(stream)
    return stream.getvalue()


@odd(odd_files(SHEET))
def test_sheets(tmp_path: Path, data: bytes) -> None:
    """Grades stay on the scale."""
    path = tmp_path / "review.csv"
    path.write_bytes(data)
    if answers(lambda: read_csv(path, SCALES["0-3"]), tmp_path):
        assert read_csv(path, SCALES["0-3"]).labels["grade"].is_in([0, 1, 2, 3]).all()


@odd(odd_bytes(_parquet(JUDGED)))
def test_broken_tables(tmp_path: Path, data: bytes) -> None:
    """Whatever bytes of a Parquet file changed."""
    path = tmp_path / "judgments.parquet"
    path.write_bytes(data)
    answers(lambda: tables.read(path, tables.JUDGMENTS), tmp_path)


@odd(st.fixed_dictionaries(dict.fromkeys(tables.JUDGMENTS, COLUMNS)), st.sets(st.sampled_from([*tables.JUDGMENTS])))
def test_foreign_tables(tmp_path: Path, columns: dict[str, list[object]], absent: set[str]) -> None:
    """Columns of any type, some of them absent: what is read has the types of the schema."""
    path = tmp_path / "judgments.parquet"
    kept = {name: values for name, values in columns.items() if name not in absent or len(absent) > 2}
    pl.DataFrame(kept, strict=False).write_parquet(path)
    if answers(lambda: tables.read(path, tables.JUDGMENTS), tmp_path):
        table = tables.read(path, tables.JUDGMENTS)
        assert dict(table.schema) == dict(tables.JUDGMENTS)
        assert table["doc_id"].null_count() == 0
