"""Collecting: labels that the scale cannot hold are refused at once, not after hours of work."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from relsearch.core.errors import DataError
from relsearch.core.settings.config import CollectionConfig, Config, PoolConfig
from relsearch.core.types import Document
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.order import run_verb
from relsearch.pipeline.stages.gather import pool
from relsearch.pipeline.stages.inputs import Artefacts, Collected, open_collected

DOCUMENT = {"_id": "d1", "title": "", "text": "a cat purrs"}


def _collect(
    folder: Path,
    *,
    grade: int = 1,
    scale: str = "binary",
    qrels: str | None = None,
    splits: str | bytes | None = None,
    document: Mapping[str, object] = DOCUMENT,
) -> Collected:
    (folder / "corpus.jsonl").write_text(json.dumps(document) + "\n", "utf-8")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "purring"}) + "\n", "utf-8")
    (folder / "qrels.tsv").write_text(qrels or f"q1\t0\td1\t{grade}\n", "utf-8")
    collection: dict[str, object] = {"source": str(folder), "scale": scale}
    if splits is not None:
        (folder / "splits.tsv").write_bytes(splits if isinstance(splits, bytes) else splits.encode())
        collection["splits"] = folder / "splits.tsv"
    config = Config(output=folder / "out", collection=CollectionConfig.model_validate(collection))
    list(run_verb("collect", config))
    return open_collected(config)


def test_binary_labels_on_a_graded_scale_are_refused(tmp_path: Path) -> None:
    """Under 0-3 a grade of 1 is not relevant: the error names the setting, which then works."""
    with pytest.raises(DataError, match=r'no grade reaches 2, .* set \[collection\] scale, to "binary"'):
        _collect(tmp_path, grade=1, scale="0-3")
    _collect(tmp_path, grade=1, scale="binary")


def test_a_grade_outside_the_scale_is_refused(tmp_path: Path) -> None:
    """The error names the label and the setting."""
    with pytest.raises(DataError, match=r"grade 3 of query 'q1', document 'd1' is outside scale binary"):
        _collect(tmp_path, grade=3, scale="binary")


def test_labels_of_other_queries_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As those of other documents are: qrels may be of a larger collection."""
    with caplog.at_level(logging.WARNING):
        collected = _collect(tmp_path, qrels="q1 0 d1 1\nq9 0 d1 1\nq8 0 d1 1\nq1 0 d7 1\n")
    assert caplog.messages == [
        "qrels: 1 labelled documents are not in the collection, the first 'd7'; their labels are left out",
        "qrels: 2 labelled queries are not in the collection, the first 'q8'; their labels are left out",
    ]
    assert collected.human.select("query_id", "doc_id").rows() == [("q1", "d1")]


@pytest.mark.parametrize(("qrels", "kind"), [("q9 0 d1 1\n", "queries"), ("q1 0 d9 1\n", "documents")])
def test_labels_of_another_collection_are_refused(tmp_path: Path, qrels: str, kind: str) -> None:
    """None of them would count."""
    with pytest.raises(DataError, match=f"qrels: none of the 1 labelled {kind} is in the collection, the first '.9'"):
        _collect(tmp_path, qrels=qrels)


def test_a_field_called_as_a_column_is_a_field(tmp_path: Path) -> None:
    """The document keeps its _id, and its fields their names."""
    fields = {"doc_id": "other", "doc_id_": "x", "query_id": "q", "metadata": "m", "*": "star", "text": "a cat purrs"}
    collected = _collect(tmp_path, document={"_id": "d1", "good": True, **fields})
    assert collected.documents(["d1"]) == [Document("d1", fields)]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (b"q1\ttrain\nq\xe9\ttest\n", r"splits\.tsv:2: not UTF-8"),
        ("q1\tdevelop\n", r"splits\.tsv:1: expected query id, tab, one of train, dev, test, unlabelled"),
        ("q1\ttrain\n\nq1\ttest\n", r"splits\.tsv:3: query 'q1' is in 'test' here and in 'train' in line 1"),
        ("q2\ttrain\n", r"splits\.tsv: no split for query 'q1'"),
    ],
)
def test_splits_that_cannot_be_used_are_named(tmp_path: Path, splits: str | bytes, message: str) -> None:
    """File and line, and which query."""
    with pytest.raises(DataError, match=message):
        _collect(tmp_path, splits=splits)


def test_a_run_of_another_collection_is_refused_at_once(tmp_path: Path) -> None:
    """Not hours later, when the text of the document is asked for."""
    collected = _collect(tmp_path)
    run = tmp_path / "run.trec"
    run.write_text("q1 Q0 elsewhere 1 2.0 mine\nq1 Q0 d1 2 1.0 mine\n", "utf-8")
    config = Config(output=tmp_path, pool=PoolConfig(runs=(run,)))
    with pytest.raises(DataError, match=r"\[pool\] runs: 1 document not in the collection, the first 'elsewhere'"):
        pool(config, Building(tmp_path / "pool"), collected=collected, artefacts=Artefacts(tmp_path))


def test_splits_are_taken_as_given(tmp_path: Path) -> None:
    """With a byte-order mark and a blank line at the end; queries that are not there do no harm."""
    collected = _collect(tmp_path, splits="\ufeffq1\ttest\r\nq2\ttrain\r\n\r\n")
    assert collected.split("test") == {"q1"}
