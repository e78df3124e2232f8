"""Collections: every layout that people keep, and one clear error for a broken line."""

from __future__ import annotations

import gzip
import json
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import ir_datasets
import polars as pl
import pytest

from relsearch.core.errors import DataError
from relsearch.core.types import Document, Judgment, Query
from relsearch.data.collection import load_collection, texts_of

DOCUMENT = {"_id": "d1", "title": "Tea", "text": "Green", "url": "tea.org", "year": 1999, "tags": ["a", "b"], "n": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection folder in BEIR's layout with TREC qrels."""
    (tmp_path / "corpus.jsonl").write_text(json.dumps(DOCUMENT) + "\n\n", encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "tea"}\n', encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q1\t0\td1\t2\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "beir:"])
def test_a_folder_is_read_with_all_its_fields(folder: Path, prefix: str) -> None:
    """Texts, numbers and lists of texts become fields; empty ones are left out."""
    collection = load_collection(f"{prefix}{folder}")
    fields = {"title": "Tea", "text": "Green", "url": "tea.org", "year": "1999", "tags": "a b"}
    assert list(collection.documents()) == [Document("d1", fields)]
    assert collection.queries() == [Query("q1", "tea")]
    assert collection.qrels() == [Judgment("q1", "d1", 2, "human")]


BEIR_HEADER = "query-id\tcorpus-id\tscore\n"


def _beir(folder: Path, name: str, lines: str) -> None:
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / name).write_text(BEIR_HEADER + lines, encoding="utf-8")


def test_beir_qrels_with_a_header_are_read(folder: Path) -> None:
    """Every .tsv in qrels/ counts, the one beside it too, and nothing else."""
    _beir(folder, "test.tsv", "q1\td2\t1\n")
    _beir(folder, "train.tsv", "q1\td2\t1\nq2\td1\t0\n")
    _beir(folder, "test.tsv.bak", "q1\td2\t3\n")
    labels = {(label.query_id, label.doc_id): label.grade for label in load_collection(str(folder)).qrels()}
    assert labels == {("q1", "d1"): 2, ("q1", "d2"): 1, ("q2", "d1"): 0}
    assert len(load_collection(str(folder)).qrels()) == 3


def test_a_pair_with_two_grades_is_an_error_that_names_both_places(folder: Path) -> None:
    """Whichever of the collection's files they stand in."""
    _beir(folder, "test.tsv", "q2\td1\t1\n")
    _beir(folder, "train.tsv", "q2\td1\t0\n")
    with pytest.raises(DataError, match=r"train\.tsv:2: .*two different grades, 0 here and 1 in .*test\.tsv:2"):
        load_collection(str(folder)).qrels()
    (folder / "qrels" / "train.tsv").unlink()
    _beir(folder, "test.tsv", "q1\td1\t1\n")
    with pytest.raises(DataError, match=r"test\.tsv:2: .*two different grades, 1 here and 2 in .*qrels\.tsv:1"):
        load_collection(str(folder)).qrels()


def test_two_files_where_one_is_read_are_refused(folder: Path) -> None:
    """Nobody can know which one is meant."""
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress((folder / "corpus.jsonl").read_bytes()))
    with pytest.raises(DataError, match=r"has both corpus\.jsonl and corpus\.jsonl\.gz; keep one of them"):
        list(load_collection(str(folder)).documents())


def test_fields_that_are_no_text_are_left_out(folder: Path) -> None:
    """Truth values, objects and vectors refuse no corpus; half a surrogate pair in a text becomes a question mark."""
    row = {"_id": "d2", "ok": True, "meta": {"a": 1}, "vector": [0.1], "text": "x \ud800", "n": float("inf")}
    (folder / "corpus.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert list(load_collection(str(folder)).documents(["text"])) == [Document("d2", {"text": "x ?"})]


def test_trec_topics_and_qrels_are_read(folder: Path) -> None:
    """A trec: folder has topics instead of queries.jsonl."""
    (folder / "topics.tsv").write_text("q1\tgreen tea\n", encoding="utf-8")
    collection = load_collection(f"trec:{folder}")
    assert collection.queries() == [Query("q1", "green tea")]
    assert collection.qrels() == [Judgment("q1", "d1", 2, "human")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "a list, expected an object"),
        ('{"text": "x"}', "_id is None"),
        ('{"_id": "", "text": "x"}', "_id '' is empty"),
        ('{"_id": "d 2", "text": "x"}', r"_id 'd 2' holds white space \(U\+0020\), .*; put _ in its place"),
        ('{"_id": "d\\u00a02", "text": "x"}', r"_id 'd\\xa02' holds white space \(U\+00A0\)"),
        ('{"_id": "d\\ud800", "text": "x"}', r"_id 'd\\ud800' holds a control character \(U\+D800\)"),
        ('{"_id": "d1", "text": "x"}', "_id 'd1' appears twice"),
        ('{"_id": "d2", "text": {"a": 1}}', "field 'text' is a dict"),
        ('{"_id": "d2", "text": true}', "field 'text' is a bool"),
        ('{"_id": "d2", "text": Infinity}', "field 'text' is a float"),
        ('{"_id": "d2", "text": [0.1, 0.2]}', "field 'text' is a list"),
        ('{"_id": "d2", "size": ' + "9" * 10_000 + "}", "not JSON that can be read: Exceeds the limit"),
        ('{"_id": "d2", "text": ' + "[" * 10_000 + "]" * 10_000 + "}", "not JSON that can be read: nested too deeply"),
    ],
)
def test_a_broken_line_says_file_line_and_reason(folder: Path, line: str, reason: str) -> None:
    """Bad input gets one clear line."""
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as corpus:
        corpus.write(line + "\n")
    with pytest.raises(DataError, match=rf"corpus\.jsonl:3: {reason}"):
        list(load_collection(str(folder)).documents(["title", "text"]))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"_id": "q2", "query": "tea", "lang": "en"}', r"no 'text'; beside _id there is \['query', 'lang'\]; give"),
        ('{"_id": "q2"}', "no 'text'; beside _id there is nothing"),
        ('{"_id": "q2", "text": " "}', "'text' is empty; write the query, or take the line out"),
        ('{"_id": "q2", "text": null}', "'text' is empty"),
        ('{"_id": "q2", "text": {"a": 1}}', "field 'text' is a dict"),
    ],
)
def test_a_query_without_a_text_is_refused(folder: Path, line: str, reason: str) -> None:
    """As among TREC topics: an empty query finds nothing, and would be measured as a failure of the search."""
    with (folder / "queries.jsonl").open("a", encoding="utf-8") as queries:
        queries.write(line + "\n")
    with pytest.raises(DataError, match=rf"queries\.jsonl:2: {reason}"):
        load_collection(str(folder)).queries()


def test_a_missing_folder_or_file_is_named(tmp_path: Path) -> None:
    """The error says which one."""
    with pytest.raises(DataError, match="no such folder"):
        load_collection(str(tmp_path / "absent"))
    with pytest.raises(
        DataError, match=r'has no queries\.jsonl; write one with lines such as {"_id": "q1", "text": "green tea"}'
    ):
        load_collection(str(tmp_path)).queries()


def test_a_run_gets_the_texts_it_names(folder: Path) -> None:
    """All queries, of the documents the run's alone, rendered; what the collection lacks is absent."""
    source = load_collection(str(folder))
    first, *_ = source.documents()
    run = pl.DataFrame({"query_id": ["x", "x"], "doc_id": [first.doc_id, "nowhere"]})
    queries, documents = texts_of(run, source, "{url}\n{text}")
    assert queries == {query.query_id: query.text for query in source.queries()}
    assert documents == {first.doc_id: "tea.org\nGreen"}


def test_ir_datasets_are_read_by_their_id() -> None:
    """A data set that ir-datasets knows is a collection; an unknown id is an error."""
    doc = namedtuple("doc", "doc_id title body")
    query = namedtuple("query", "query_id text")
    query.default_text = lambda self: self.text  # type: ignore[attr-defined]
    qrel = namedtuple("qrel", "query_id doc_id relevance iteration")

    class Local(ir_datasets.datasets.base.Dataset):  # type: ignore[misc]
        def docs_iter(self) -> Iterator[object]:
            yield doc("d1", "Tea", "Green")

        def queries_iter(self) -> Iterator[object]:
            yield query("q1", "tea")

        def qrels_iter(self) -> Iterator[object]:
            yield qrel("q1", "d1", 1, "0")

    ir_datasets.registry.register("relsearch-test", Local())
    collection = load_collection("ir_datasets:relsearch-test")
    assert list(collection.documents()) == [Document("d1", {"title": "Tea", "body": "Green"})]
    assert collection.queries() == [Query("q1", "tea")]
    assert collection.qrels() == [Judgment("q1", "d1", 1, "human")]
    with pytest.raises(DataError, match="no such data set"):
        load_collection("ir_datasets:absent")


def test_a_data_set_that_cannot_be_downloaded_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a dead proxy there is no network; what the download says last stands in the error."""
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    collection = load_collection("ir_datasets:vaswani")
    for read in (collection.queries, collection.qrels, lambda: next(iter(collection.documents()))):
        with pytest.raises(DataError, match=r"^ir_datasets:vaswani: cannot be read: .*Error: .*network") as caught:
            read()
        assert len(str(caught.value).splitlines()) == 1


def test_a_data_sets_odd_rows_are_named() -> None:
    """An id of two words, a label of two grades, a field that is no text where the template reads it."""
    doc = namedtuple("doc", "doc_id text")
    qrel = namedtuple("qrel", "query_id doc_id relevance")

    class Odd(ir_datasets.datasets.base.Dataset):  # type: ignore[misc]
        def docs_iter(self) -> Iterator[object]:
            yield doc("d1", b"bytes")
            yield doc("d 2", "text")

        def qrels_iter(self) -> Iterator[object]:
            yield from (qrel("q1", "d1", grade) for grade in (1, 1, 0))

    ir_datasets.registry.register("relsearch-odd", Odd())
    collection = load_collection("ir_datasets:relsearch-odd")
    with pytest.raises(DataError, match=r"ir_datasets:relsearch-odd: document id 'd 2' holds white space"):
        list(collection.documents())
    with pytest.raises(DataError, match=r"document 'd1': field 'text' is a bytes; expected text"):
        list(collection.documents(["text"]))
    with pytest.raises(
        DataError, match=r"ir_datasets:relsearch-odd:3: .* two different grades, 0 here and 1 in line 1"
    ):
        collection.qrels()
    with pytest.raises(DataError, match=r"ir_datasets:relsearch-odd: cannot be read: AttributeError"):
        collection.queries()
