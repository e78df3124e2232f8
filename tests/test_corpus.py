"""Collections: every layout that people keep, and one clear error for a broken line."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import ir_datasets
import polars as pl
import pytest

from relsearch.corpus import load_collection, texts_of
from relsearch.errors import DataError
from relsearch.types import Document, Judgment, Query

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


def test_beir_qrels_with_a_header_are_read(folder: Path) -> None:
    """qrels/test.tsv with BEIR's header takes the place of TREC qrels."""
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n", encoding="utf-8")
    assert load_collection(str(folder)).qrels() == [Judgment("q1", "d1", 1, "human")]


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
        ('{"_id": "", "text": "x"}', "_id is ''"),
        ('{"_id": "d1", "text": "x"}', "_id 'd1' appears twice"),
        ('{"_id": "d2", "text": {"a": 1}}', "field 'text' is a dict"),
        ('{"_id": "d2", "text": true}', "field 'text' is a bool"),
    ],
)
def test_a_broken_line_says_file_line_and_reason(folder: Path, line: str, reason: str) -> None:
    """Bad input gets one clear line."""
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as corpus:
        corpus.write(line + "\n")
    with pytest.raises(DataError, match=rf"corpus\.jsonl:3: {reason}"):
        list(load_collection(str(folder)).documents())


def test_a_missing_folder_or_file_is_named(tmp_path: Path) -> None:
    """The error says which one."""
    with pytest.raises(DataError, match="no such folder"):
        load_collection(str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"has no queries\.jsonl"):
        load_collection(str(tmp_path)).queries()


def test_a_run_gets_the_texts_it_names(folder: Path) -> None:
    """All queries, of the documents the run's alone, rendered; what the collection lacks is absent."""
    source = load_collection(str(folder))
    first, *_ = source.documents()
    run = pl.DataFrame({"query_id": ["x", "x"], "doc_id": [first.doc_id, "nowhere"]})
    queries, documents = texts_of(run, source, lambda fields: "|".join(fields.values()))
    assert queries == {query.query_id: query.text for query in source.queries()}
    assert documents == {first.doc_id: "|".join(first.fields.values())}


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
