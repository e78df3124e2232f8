"""TREC files: read strictly, written so that they are read back the same."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from relsearch.core.errors import DataError
from relsearch.core.tables import CANDIDATES, JUDGMENTS, candidates_table, judgments_table
from relsearch.core.types import SCALES, Candidate, Judgment, Query
from relsearch.data.frames import labels_table, run_table
from relsearch.data.trec import read_labels, read_qrels, read_run, read_topics
from relsearch.exporters.trec import write_qrels, write_run

IDS = st.text(alphabet="abcxyz0189_.:-é", min_size=1, max_size=6)
FRESH = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def _write(tmp_path: Path, text: str, name: str = "file.txt") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@FRESH
@given(st.dictionaries(IDS, st.dictionaries(IDS, st.floats(-1e6, 1e6), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_run_survives_a_round_trip(tmp_path: Path, scores: dict[str, dict[str, float]]) -> None:
    """Writing a run and reading it back gives the same table, scores to the last bit."""
    ranked = {q: sorted(docs.items(), key=lambda item: (-item[1], item[0])) for q, docs in scores.items()}
    run = candidates_table(
        Candidate(q, doc, score, rank, "tag") for q, docs in ranked.items() for rank, (doc, score) in enumerate(docs, 1)
    )
    write_run(run, tmp_path / "run.trec", tag="tag")
    assert read_run(tmp_path / "run.trec").equals(run)


@FRESH
@given(st.dictionaries(st.tuples(IDS, IDS), st.integers(0, 3), max_size=8))
def test_qrels_survive_a_round_trip(tmp_path: Path, grades: dict[tuple[str, str], int]) -> None:
    """Writing qrels and reading them back gives the same labels."""
    table = judgments_table(Judgment(query_id, doc_id, grade, "human") for (query_id, doc_id), grade in grades.items())
    write_qrels(table, tmp_path / "qrels.tsv")
    assert read_qrels(tmp_path / "qrels.tsv", SCALES["0-3"], may_be_empty=True).equals(table)


def test_a_run_is_ordered_by_score_then_rank_then_document(tmp_path: Path) -> None:
    """The score decides; where scores tie, the file's own rank does."""
    run = read_run(_write(tmp_path, "q Q0 c 3 1.0 t\nq Q0 b 1 1.0 t\nq Q0 a 2 2.0 t\n"))
    assert run.select("doc_id", "rank").rows() == [("a", 1), ("b", 2), ("c", 3)]


def test_gzipped_files_are_read(tmp_path: Path) -> None:
    """Whatever its name is."""
    path = tmp_path / "run"
    path.write_bytes(gzip.compress(b"q Q0 a 1 1.0 t\n"))
    assert read_run(path).height == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 a 1 1.0 t\nq Q0 a\n", r"file\.txt:2: 3 columns"),
        ("q 0 a 1\n", r"file\.txt:1: 4 columns; .*; this is a qrels line, and qrels come before runs"),
        ("q Q0 a 1 x t\n", r"file\.txt:1: score 'x' is not a number"),
        ("q Q0 a 1 nan t\n", r"file\.txt:1: score 'nan' is not finite"),
        ("q Q0 a 1 2 t\nq Q0 a 2 1 t\n", r"file\.txt:2: document 'a' appears twice"),
        ("q Q0 a 1 1_0 t\n", r"file\.txt:1: score '1_0' is not a number"),
        ("q Q0 a\u00a0b 1 1 t\n", r"file\.txt:1: document id 'a\\xa0b' holds white space \(U\+00A0\)"),
        ("q Q0 a 1 1 t\n\ufeffq Q0 b 1 1 t\n", r"file\.txt:2: query id '\\ufeffq' holds a control character"),
    ],
)
def test_a_broken_run_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    """File, line and reason stand in the error."""
    with pytest.raises(DataError, match=message):
        read_run(_write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q 0 a 5\n", r"file\.txt:1: grade 5 is outside scale 0-3; set \[collection\] scale"),
        ("q 0 a high\n", r"file\.txt:1: grade 'high' is not a whole number"),
        (
            "q 0 a 1\nq 0 a 2\n",
            r"file\.txt:2: document 'a' of query 'q' has two different grades, 2 here and 1 in line 1",
        ),
        ("q 0 a 1_0\n", r"file\.txt:1: grade '1_0' is not a whole number"),
        ("q 0 a ²\n", r"file\.txt:1: grade '²' is not a whole number"),
        ("q a 1\n", r"file\.txt:1: 3 columns"),
        ("q Q0 a 1 1.0 t\n", r"file\.txt:1: 6 columns; .*; this is a run's, and qrels come before runs"),
        ("query_id;doc_id;grade\nq;a;1\n", r"file\.txt:1: 1 column; .*`relsearch review --import CSV --qrels NEW`"),
    ],
)
def test_a_broken_qrels_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    """File, line and reason stand in the error."""
    with pytest.raises(DataError, match=message):
        read_qrels(_write(tmp_path, text), SCALES["0-3"])


@pytest.mark.parametrize("grade", ["4294967296", "18446744073709551616", "9" * 5000])
def test_a_grade_that_no_table_holds_is_named(tmp_path: Path, grade: str) -> None:
    """Beyond 32 bits, beyond 64, and beyond what Python reads."""
    with pytest.raises(DataError, match=r"file\.txt:1: grade '\d+.*' is too large for a grade"):
        read_qrels(_write(tmp_path, f"q 0 a {grade}\n"), None)


def test_the_same_grade_twice_counts_once(tmp_path: Path) -> None:
    """Files that were joined repeat lines."""
    assert read_qrels(_write(tmp_path, "q 0 a 1\nq 0 a 1\n"), None).height == 1


def test_negative_grades_count_as_the_lowest(tmp_path: Path) -> None:
    """TREC marks spam with -2; trec_eval takes it for not relevant, and so do we."""
    assert read_qrels(_write(tmp_path, "q 0 a -2\n"), SCALES["0-3"])["grade"].to_list() == [0]


def test_a_table_that_has_a_pair_twice_keeps_it_once_or_is_refused(tmp_path: Path) -> None:
    """As qrels do; of a folder's parts too. What was asked and missing gives way to a grade."""
    labels = [("q", "a", 1), ("q", "b", None), ("q", "c", None), ("q", "a", 1), ("q", "b", 2), ("q", "c", None)]
    table = judgments_table(Judgment(query, doc, grade, "judge", "j") for query, doc, grade in labels)
    for number, part in enumerate((table[:3], table[3:])):
        part.write_parquet(tmp_path / f"part-{number}.parquet")
    found = read_labels(tmp_path, SCALES["0-3"])
    assert found.select("doc_id", "grade").rows() == [("a", 1), ("c", None), ("b", 2)]
    judgments_table([Judgment("q", "a", 0, "human")]).write_parquet(tmp_path / "part-2.parquet")
    with pytest.raises(DataError, match="document 'a' of query 'q' has two different grades, 0 and 1; keep one"):
        read_labels(tmp_path, None)


def test_topics_of_both_kinds_are_read(tmp_path: Path) -> None:
    """Tab-separated topics and TREC blocks give the same queries."""
    block = "<top>\n<num> Number: 7\n<title> green\n tea\n<desc> x\n</top>\n"
    assert read_topics(_write(tmp_path, "7\tgreen tea\n")) == [Query("7", "green tea")]
    assert read_topics(_write(tmp_path, block)) == [Query("7", "green tea")]
    with pytest.raises(DataError, match=r"file\.txt:1: a topics line is"):
        read_topics(_write(tmp_path, "7 green tea\n"))
    with pytest.raises(DataError, match=r"file\.txt:2: query id '7' appears twice"):
        read_topics(_write(tmp_path, "7\tgreen tea\n7\ttea\n"))
    with pytest.raises(DataError, match=r"file\.txt:2: this topic has no <num> or no <title>"):
        read_topics(_write(tmp_path, "\n<top>\n<title>x</top>\n"))
    with pytest.raises(DataError, match=r"file\.txt:1: this topic has no <num> or no <title>"):
        read_topics(_write(tmp_path, "<top>\n<num>7\n<title>\n</top>\n"))


def test_a_missing_or_binary_file_is_one_error(tmp_path: Path) -> None:
    """What cannot be read is named."""
    with pytest.raises(DataError, match="cannot be read"):
        read_run(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        read_run(tmp_path / "binary")


@pytest.mark.parametrize("text", ["", "\n \n"])
@pytest.mark.parametrize("read", [read_run, partial(read_qrels, scale=None), partial(read_labels, scale=None)])
def test_a_file_without_rows_is_an_error(tmp_path: Path, read: Callable[[Path], object], text: str) -> None:
    """Whatever made it has failed: an empty result would hide that."""
    with pytest.raises(DataError, match=r"file\.txt: has no rows; .* lines such as"):
        read(_write(tmp_path, text))


@pytest.mark.parametrize(("read", "columns"), [(run_table, CANDIDATES), (labels_table, JUDGMENTS)])
def test_a_table_without_rows_is_an_error(
    tmp_path: Path, read: Callable[[Path], object], columns: Mapping[str, pl.DataType]
) -> None:
    """As a text without lines is."""
    pl.DataFrame(schema=columns).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"none\.parquet: has no rows"):
        read(tmp_path / "none.parquet")


def test_qrels_that_are_yet_to_be_written_may_be_empty(tmp_path: Path) -> None:
    """People's first grade goes into such a file."""
    assert read_qrels(_write(tmp_path, ""), None, may_be_empty=True).is_empty()


@pytest.mark.parametrize("row", [("q 1", "d"), ("q", "d\t1"), ("q", "")])
def test_an_id_that_breaks_a_run_is_refused(tmp_path: Path, row: tuple[str, str]) -> None:
    """White space in an id would shift the columns of whoever reads the run."""
    query_id, doc_id = row
    run = candidates_table([Candidate(query_id, doc_id, 1.0, 1, "tag")])
    with pytest.raises(DataError, match=r"id .* (is empty|holds white space)"):
        write_run(run, tmp_path / "run.trec", tag="tag")
    assert not (tmp_path / "run.trec").exists()


FORMS = {
    "TREC": "q1 0 d1 1\nq1 0 d2 0\nq2 0 d1 3\n",
    "TREC between tabs": "q1\t0\td1\t1\nq1\t0\td2\t0\nq2\t0\td1\t3\n",
    "BEIR": "q1\td1\t1\nq1\td2\t0\nq2\td1\t3\n",
    "BEIR with its header": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\nq2\td1\t3\n",
    "JSON lines": '{"query_id": "q1", "doc_id": "d1", "relevance": 1, "iteration": "0"}\n'
    '{"query_id": "q1", "doc_id": "d2", "relevance": 0}\n{"query-id": "q2", "corpus-id": "d1", "score": 3}\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_qrels_read_alike_in_every_form(tmp_path: Path, form: str) -> None:
    """In one pass, so that a pipe can be read as well."""
    expected = read_qrels(_write(tmp_path, FORMS["TREC"]), SCALES["0-3"])
    assert read_qrels(_write(tmp_path, FORMS[form]), SCALES["0-3"]).equals(expected)
    with pytest.raises(DataError, match="outside scale 0-1"):
        read_qrels(_write(tmp_path, FORMS[form]), SCALES["binary"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("q1\td1\t1\nq1\td2\n", ":2: a BEIR qrels line is"),
        ('{"query_id": "q1", "doc_id": "d1", "relevance": 0.5}\n', ":1: expected an object"),
        ('{"query_id": "q1", "doc_id": "d1", "relevance": 1}\n[1]\n', ":2: expected an object"),
        ('{"query_id": "q1"\n', ":1: not JSON"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path: Path, text: str, reason: str) -> None:
    """The first line decides; what follows keeps to it."""
    with pytest.raises(DataError, match=reason):
        read_qrels(_write(tmp_path, text), None)


_SIGN = st.sampled_from([" ", " ", " ", "\t", "  ", " \t", "\v", "\u00a0", ""])
_WORD = st.sampled_from(["q1", "q2", "d1", "d2", "é", "0", "1", "1.5", "-2e3", "nan", "1_0", "٣", '"', "#", "x\x85"])
_LINE = st.one_of(
    st.tuples(
        st.sampled_from(["q1", "q2", "q3"]),
        st.just("Q0"),
        st.sampled_from(["d1", "d2", "d3", "d4", '"d', "d,5"]),
        st.sampled_from(["1", "2", "3", "1.5"]),
        st.sampled_from(["1", "-2.25", "3e-2", "0.1000000000000000055511151231257827", "+7", ".5", "1.", "1e400"]),
        st.sampled_from(["t", "u"]),
    ).map(" ".join),
    st.lists(st.tuples(_WORD, _SIGN).map("".join), max_size=8).map("".join),
)


@settings(max_examples=150)
@given(st.lists(_LINE, max_size=6), st.sampled_from(["\n", "\r\n"]), st.booleans())
@example(["q1 "], "\n", False)
def test_a_run_is_read_in_blocks_as_it_is_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, closed: bool
) -> None:
    """A line with two spaces in a row, which has a block read line by line, changes nothing but for its own row."""
    folder = tmp_path_factory.mktemp("run")
    lines = ["first Q0 d 1 1 t", *lines]  # a run without rows is an error
    blocks = _read(_write(folder, end.join(lines) + end * closed, "blocks"))
    by_line = _read(_write(folder, end.join([*lines, "other  Q0 d 1 1 t"]), "lines"))
    assert blocks == by_line[:-1] if isinstance(by_line, list) else blocks == by_line.replace("lines:", "blocks:")


def _read(path: Path) -> str | list[tuple[object, ...]]:
    try:
        return read_run(path).rows()
    except DataError as exc:
        return str(exc)
