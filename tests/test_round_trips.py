"""What a writer makes a reader takes: the same comes back, or the writer refuses it, whatever signs an id holds."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import strategies as st

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.files.text_files import csv_rows, encodable, write_text
from relsearch.core.ids import id_fault
from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import SCALES, Candidate, Document, Judgment
from relsearch.data.collection import load_collection
from relsearch.data.query_log import LoggedQuery, QueryLog
from relsearch.data.trec import read_qrels, read_run
from relsearch.exporters.corpus import write_corpus
from relsearch.exporters.labels import beir_qrels, quepid
from relsearch.exporters.trec import write_qrels, write_run
from relsearch.labels.csv_form import read_csv, to_csv
from tests.odd_inputs import answers, odd, odd_ids

SCALE = SCALES["0-3"]
SCORES = st.floats() | st.floats(-1e6, 1e6)
GRADES = st.dictionaries(st.tuples(odd_ids(), odd_ids()), st.integers(0, 3), min_size=1, max_size=4)
FIELDS = st.dictionaries(odd_ids(), odd_ids(), max_size=4)
NAMES = st.sampled_from(["file", "file.gz"])


def _judgments(grades: dict[tuple[str, str], int]) -> pl.DataFrame:
    return judgments_table(Judgment(query, doc, grade, "human") for (query, doc), grade in grades.items())


def _usable(*ids: str) -> bool:
    return not any(map(id_fault, ids))


def _encodes(*texts: str) -> bool:
    return all(text == encodable(text) for text in texts)


def _kept(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields as they can be written, without empty ones."""
    return {encodable(name): encodable(text) for name, text in fields.items() if text}


def _plain(text: str) -> str:
    """What a cell can hold: no byte-order mark, which may begin the file."""
    return encodable(text).replace("\0", "").replace("\ufeff", "")[:100]


@odd(st.dictionaries(odd_ids(), SCORES, min_size=1, max_size=4), odd_ids(), odd_ids(), NAMES)
def test_runs(tmp_path: Path, scores: dict[str, float], query_id: str, tag: str, name: str) -> None:
    """Ids, ranks and scores to the last bit."""
    best_first = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    rows = [Candidate(query_id, doc, score, rank, tag) for rank, (doc, score) in enumerate(best_first, 1)]
    holds = _usable(query_id, tag, *scores) and all(abs(score) < float("inf") for score in scores.values())
    try:
        run = candidates_table(rows)
    except UnicodeEncodeError:  # no table of ours holds half a surrogate pair
        return
    assert answers(lambda: write_run(run, tmp_path / name, tag=tag)) == holds
    if holds:
        assert read_run(tmp_path / name).equals(run)


@odd(GRADES, NAMES)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # Hypothesis, of its own example
def test_qrels(tmp_path: Path, grades: dict[tuple[str, str], int], name: str) -> None:
    """TREC's, and BEIR's in a collection."""
    try:
        labels = _judgments(grades)
    except UnicodeEncodeError:
        return
    holds = _usable(*(text for pair in grades for text in pair))
    assert answers(lambda: write_qrels(labels, tmp_path / name)) == holds
    beir = tmp_path / "qrels" / name.replace("file", "test.tsv")
    for other in beir.parent.glob("*"):
        other.unlink()
    assert answers(lambda: write_text(beir, beir_qrels(labels))) == holds
    if holds:
        assert read_qrels(tmp_path / name, SCALE).equals(labels)
        assert judgments_table(load_collection(str(tmp_path)).qrels()).equals(labels)


@odd(GRADES, odd_ids(), NAMES)
def test_review_sheets(tmp_path: Path, grades: dict[tuple[str, str], int], text: str, name: str) -> None:
    """Filled in by whoever opens them in a spreadsheet."""
    queries, documents = ({pair[place]: text for pair in grades} for place in (0, 1))
    picked = pl.DataFrame(
        [(*pair, grade, 0.5, 1) for pair, grade in grades.items() if _encodes(*pair)],
        schema={"query_id": pl.String, "doc_id": pl.String, "judged_grade": pl.Int32, "uncertainty": pl.Float64}
        | {"rank": pl.Int32},
        orient="row",
    )
    pairs = [tuple(row) for row in picked.select("query_id", "doc_id").iter_rows()]
    if not pairs or not answers(lambda: to_csv(picked, queries, documents, characters=40)):
        assert not pairs or not _usable(*(each for pair in pairs for each in pair))
        return
    head, *rows = to_csv(picked, queries, documents, characters=40).splitlines()
    assert head == "query_id,doc_id,query,passage,grade,uncertainty,rank"
    path = tmp_path / name
    filled = "\n".join([head, *(row.replace(",,0.5,1", ",2,0.5,1") for row in rows)]).encode()
    path.write_bytes(gzip.compress(filled) if path.suffix else filled)
    assert [*read_csv(path, SCALE).labels.select("query_id", "doc_id").iter_rows()] == pairs


@odd(st.dictionaries(odd_ids(), FIELDS, min_size=1, max_size=3))
def test_corpora(tmp_path: Path, documents: dict[str, dict[str, str]]) -> None:
    """Fields of any name and text: what is no UTF-8 becomes question marks, and empty ones go."""
    given = [Document(doc_id, fields) for doc_id, fields in documents.items()]
    holds = _usable(*documents) and not any("_id" in fields for fields in documents.values())
    assert answers(lambda: write_corpus(given, tmp_path)) == holds
    if holds:
        expected = [Document(each.doc_id, _kept(each.fields)) for each in given]
        assert list(load_collection(str(tmp_path)).documents()) == expected


@odd(st.dictionaries(odd_ids().filter(_usable), FIELDS.map(_kept), min_size=1, max_size=3))
def test_tables_of_documents(tmp_path: Path, documents: dict[str, dict[str, str]]) -> None:
    """A field called doc_id, or anything, stays what it is."""
    given = [Document(doc_id, fields) for doc_id, fields in documents.items()]
    table = tables.documents_table(given)
    assert tables.field_names(table) == {name for fields in documents.values() for name in fields}
    tables.write(table, tmp_path / "documents.parquet", tables.DOCUMENTS)
    assert list(tables.documents_of(tables.read(tmp_path / "documents.parquet", tables.DOCUMENTS))) == given


@odd(st.dictionaries(odd_ids().filter(_usable), odd_ids().map(encodable).filter(str.strip), max_size=4))
def test_queries_of_a_log(tmp_path: Path, texts: dict[str, str]) -> None:
    """As a collection reads them."""
    log = QueryLog(tuple(LoggedQuery(query_id, text, 1) for query_id, text in texts.items()), len(texts), {})
    (tmp_path / "queries.jsonl").write_text(log.to_jsonl(), encoding="utf-8", newline="")
    assert {query.query_id: query.text for query in load_collection(str(tmp_path)).queries()} == texts


@odd(st.lists(st.lists(odd_ids().map(_plain), min_size=2, max_size=3), max_size=4))
def test_rows_of_csv(tmp_path: Path, rows: list[list[str]]) -> None:
    """Cells with separators, quotes and line ends in them."""
    with (tmp_path / "file.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    assert [cells for _, cells in csv_rows(tmp_path / "file.csv", ",")] == kept


def test_what_no_file_can_hold_is_refused_by_name() -> None:
    """A tag of two words, a document twice, a pair of two grades, a score that orders nothing."""
    run = candidates_table([Candidate("q", "d", 1.0, 1, "a"), Candidate("q", "d", 0.5, 2, "a")])
    with pytest.raises(DataError, match=r"run tag 'my run' holds white space \(U\+0020\)"):
        write_run(run.head(1), Path("never"), tag="my run")
    with pytest.raises(DataError, match="document 'd' appears twice for query 'q'"):
        write_run(run, Path("never"), tag="a")
    with pytest.raises(DataError, match="score nan is not finite"):
        write_run(run.head(1).with_columns(score=pl.lit(float("nan"))), Path("never"), tag="a")
    twice = judgments_table([Judgment("q", "d", 1, "human"), Judgment("q", "d", 2, "judge")])
    with pytest.raises(DataError, match="document 'd' of query 'q' has two different grades"):
        write_qrels(twice, Path("never"))
    with pytest.raises(DataError, match="query 'q' is labelled but has no text"):
        quepid(twice.head(1), {})
