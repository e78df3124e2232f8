"""Files of pairs with their texts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relsearch.core.errors import DataError
from relsearch.core.files.storage import open_storage
from relsearch.core.query_pool import QueryPool
from relsearch.data.pair_files import pair_files, read_pools

pytest.importorskip("pyarrow", reason="pip install 'relsearch[ray]'")
LONG = "x" * 2_000_000
ROWS: list[dict[str, Any]] = [
    {"query_id": "2019-01-01", "query": "tea", "doc_id": "1", "text": "Green.", "score": 2.0},
    {"query_id": "2019-01-01", "query": "tea", "doc_id": "2", "text": LONG},
    {"query_id": "q", "query": "tides", "doc_id": "1", "text": "Sea."},
]
POOLS = [
    QueryPool("2019-01-01", "tea", ("1", "2"), ("Green.", LONG)),
    QueryPool("q", "tides", ("1",), ("Sea.",)),
]


def _pools(folder: Path, name: str, data: bytes) -> list[QueryPool]:
    (folder / name).write_bytes(data)
    storage = open_storage(str(folder))
    return [pool for file in pair_files(storage) for pool in read_pools(storage, file)]


def _json(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_whole_pools_are_read_from_each_kind_of_file(tmp_path: Path, name: str) -> None:
    """Ids stay texts, long texts whole, and other columns are passed over."""
    if name.endswith("parquet"):
        pl.DataFrame(ROWS).write_parquet(tmp_path / name, row_group_size=1)
    data = (tmp_path / name).read_bytes() if name.endswith("parquet") else _json(ROWS)
    assert _pools(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data) == POOLS


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"query_id": "q", "query": "tea", "doc_id": "1"}], "column 'text' has no value in 1 row"),
        ([ROWS[0], ROWS[2], ROWS[0]], "rows of query '2019-01-01' stand apart; sort the file"),
        ([ROWS[0], {**ROWS[0], "query": "Tea", "doc_id": "2"}], "query '2019-01-01' has several texts"),
        ([ROWS[0], ROWS[0]], "query '2019-01-01' has a document twice"),
        ([{**ROWS[0], "query_id": 1}], "JSON parse error: Column.*; write a JSON object on each line, with strings"),
        ([{**ROWS[0], "doc_id": "a b"}], "doc_id 'a b' holds white space"),
    ],
)
def test_a_file_that_holds_no_whole_pools_is_one_line(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    """It names the file once, and what is wrong."""
    with pytest.raises(DataError, match=rf"/a\.jsonl: {said}"):
        _pools(tmp_path, "a.jsonl", _json(rows))


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """In one line; polars would panic at it."""
    data = _json(ROWS[2:]).replace(b"tides", b"\xff")
    with pytest.raises(DataError, match=r"a\.jsonl: holds text that is not UTF-8; write the file anew"):
        _pools(tmp_path, "a.jsonl", data)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_file_of_no_lines_has_no_pairs(tmp_path: Path, name: str) -> None:
    """As a table of no rows: Spark, for one, writes such."""
    assert _pools(tmp_path, name, gzip.compress(b"") if name.endswith("gz") else b"") == []


def test_a_column_that_parquet_lacks_is_named(tmp_path: Path) -> None:
    """Beside all those that are there."""
    pl.DataFrame(ROWS).drop("text").write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: no column 'text'; it has query_id, query, doc_id, score"):
        _pools(tmp_path, "a.parquet", (tmp_path / "a.parquet").read_bytes())


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    """With the columns that are expected."""
    with pytest.raises(DataError, match=r"no \.parquet, \.jsonl or .* columns query_id, query, doc_id, text"):
        _pools(tmp_path, "a.csv", b"query_id\n")
