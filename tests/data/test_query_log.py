"""Search logs become queries: one text each, counted, cleaned, and without personal data where asked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import DataError
from relsearch.data.collection import load_collection
from relsearch.data.query_log import clean, read_query_log

ROWS = [
    ("Green Tea", 3),
    ("green  tea!", 1),
    ("green tea", 2),
    ("tides", 2),
    ("  ", 4),
    ("mail ann@example.org", 5),
    ("+49 (30) 123-456", 6),
    ("iphone 15", 1),
    ("x" * 201, 9),
]


@pytest.fixture(params=["log.jsonl", "log.csv", "log.tsv", "log.jsonl.gz"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same log in each format."""
    path = tmp_path / str(request.param)
    mark = "\t" if ".tsv" in path.name else ","
    if ".jsonl" in path.name:
        text = "".join(json.dumps({"query": query, "count": count}) + "\n" for query, count in ROWS)
    else:
        text = "".join(f"{query}{mark}{count}\n" for query, count in [("query", "count"), *ROWS])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_spellings_are_one_query_under_its_commonest_text(log: Path) -> None:
    """Case, punctuation and spaces do not tell queries apart; their counts add up; most frequent first."""
    found = read_query_log(log, drop_personal=True)
    assert [(each.text, each.count) for each in found.queries] == [("Green Tea", 6), ("tides", 2), ("iphone 15", 1)]
    assert found.rows == len(ROWS)
    assert found.dropped == {"empty": 1, "personal": 2, "too long": 1}


def test_personal_texts_are_kept_unless_asked(log: Path) -> None:
    """Leaving data out is the caller's decision."""
    texts = {each.text for each in read_query_log(log).queries}
    assert {"mail ann@example.org", "+49 (30) 123-456"} <= texts


def test_rare_queries_are_left_out_after_counts_are_added(log: Path) -> None:
    """The minimum holds for all spellings together."""
    found = read_query_log(log, min_count=4, drop_personal=True)
    assert [each.text for each in found.queries] == ["Green Tea"]
    assert found.dropped["rare"] == 2


def test_the_output_is_the_queries_of_a_collection(log: Path, tmp_path: Path) -> None:
    """It is read back as written, and ids do not change with the format or the rest of the log."""
    found = read_query_log(log)
    (tmp_path / "queries.jsonl").write_text(found.to_jsonl(), encoding="utf-8")
    read = load_collection(str(tmp_path)).queries()
    assert [(each.query_id, each.text) for each in read] == [(each.query_id, each.text) for each in found.queries]
    (tmp_path / "one.csv").write_text("query\nTIDES\n", encoding="utf-8")
    (alone,) = read_query_log(tmp_path / "one.csv").queries
    assert alone.query_id in {each.query_id for each in found.queries}
    assert alone.count == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "q,count\ntea,1\n", "a.csv:2: no 'query' among q, count; name the column with --text-key"),
        ("a.csv", "query,count\n\ntea,many\n", "a.csv:3: 'count' is 'many'; a count is a whole number"),
        ("a.jsonl", '{"query": "tea", "count": -1}\n', "a.jsonl:1: 'count' is -1"),
        ("a.jsonl", '{"query": ["tea"]}\n', "a.jsonl:1: 'query' is a list; a query is text"),
        ("a.jsonl", "{\n", "a.jsonl:1: not JSON"),
        ("a.jsonl", "[]\n", "a.jsonl:1: a list, expected an object"),
        ("a.log", "tea\n", r"a.log: a log is .jsonl, .csv or .tsv"),
    ],
)
def test_a_broken_row_says_file_line_and_reason(tmp_path: Path, name: str, text: str, message: str) -> None:
    """Bad input gets one clear line."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_query_log(tmp_path / name)
    assert message in str(caught.value)


def test_other_column_names_are_read(tmp_path: Path) -> None:
    """Exports of analytics tools name their columns as they like."""
    (tmp_path / "a.csv").write_text('Search term,Total\n"tea, green",7\n', encoding="utf-8")
    (query,) = read_query_log(tmp_path / "a.csv", text_key="Search term", count_key="Total").queries
    assert (query.text, query.count) == ("tea, green", 7)


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "query,Total\ntea,7\n"), ("a.jsonl", '{"query": "tea", "Total": 7}')]
)
def test_a_count_column_that_is_asked_for_is_there(tmp_path: Path, name: str, text: str) -> None:
    """A slip in its name would count each row once; unasked, a log need not have one."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"no row has 'total', but \['query', 'Total'\]; name the column"):
        read_query_log(tmp_path / name, count_key="total")
    assert [each.count for each in read_query_log(tmp_path / name).queries] == [1]


@given(st.text())
def test_cleaning_is_idempotent(text: str) -> None:
    """A clean text stays as it is, on one line."""
    once = clean(text)
    assert clean(once) == once
    assert once == " ".join(once.split())
