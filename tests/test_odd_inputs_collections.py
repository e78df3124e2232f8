"""Odd collections, logs and splits: a result, or one of our errors in one line."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from hypothesis import strategies as st

from relsearch.core.settings.config import CollectionConfig, Config
from relsearch.data.collection import load_collection
from relsearch.data.query_log import is_query_log, read_query_log
from relsearch.pipeline.order import run_verb
from tests.odd_inputs import answers, odd, odd_files, odd_ids

CORPUS = (
    '{"_id": "d1", "title": "Tea", "text": "Green \\u00e9", "year": 1999, "tags": ["a", "b"], "meta": {"a": [1.5]}}\n'
    '{"_id": "d2", "title": null, "text": "Tides", "ok": true}\n'
)
QUERIES = '{"_id": "q1", "text": "tea", "metadata": {"count": 3}}\n{"_id": "q2", "text": "tides"}\n'
LOG = {
    "log.csv": 'query,count\n"tea, green",3\ntides,1\n\n"two\nlines",2\n',
    "log.tsv": "query\tcount\ntea\t3\n",
    "log.jsonl": '{"query": "tea", "count": 3}\n{"query": "sea"}\n',
}
SPLITS = "q1\ttrain\nq2\ttest\n"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | odd_ids(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(odd_ids(), values, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["_id", "doc_id", "doc_id_", "query_id", "text", "title", "metadata", "fields", ""])


@odd(odd_files(CORPUS))
def test_corpora(tmp_path: Path, data: bytes) -> None:
    """As plain text or gzip under either name."""
    (tmp_path / "corpus.jsonl").write_bytes(data)
    answers(lambda: list(load_collection(str(tmp_path)).documents(["title", "text"])), tmp_path)


@odd(odd_files(QUERIES))
def test_queries(tmp_path: Path, data: bytes) -> None:
    """And whether a file is queries that relsearch wrote."""
    (tmp_path / "queries.jsonl").write_bytes(data)
    answers(lambda: load_collection(str(tmp_path)).queries(), tmp_path)
    is_query_log(tmp_path / "queries.jsonl")


@pytest.mark.parametrize("name", LOG)
@odd(data=st.data())
def test_logs(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """In each format."""
    path = tmp_path / name
    path.write_bytes(data.draw(odd_files(LOG[name])))
    answers(lambda: read_query_log(path).to_jsonl().encode(), tmp_path)


@odd(
    st.lists(st.dictionaries(NAMES | odd_ids(), JSON, max_size=4), max_size=3),
    odd_files(SPLITS),
    odd_ids(),
    st.sampled_from(["{title}\n{text}", "{text}", "{doc_id}", "{query_id} {metadata}"]),
)
def test_collecting(tmp_path: Path, rows: list[dict[str, object]], splits: bytes, doc_id: str, template: str) -> None:
    """Documents of any JSON, splits of any bytes: collected whole, or refused."""
    documents = [{"_id": doc_id, "text": "tea"}, *({"_id": f"d{n}"} | row for n, row in enumerate(rows))]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text(QUERIES, encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text(f"q1 0 {'d0' if rows else 'd'} 2\n", encoding="utf-8")
    (tmp_path / "splits.tsv").write_bytes(splits)
    collection = {"source": str(tmp_path), "template": template}
    for given_splits in ({}, {"splits": tmp_path / "splits.tsv"}):
        settings = CollectionConfig.model_validate(collection | given_splits)
        answers(partial(_collect, Config(output=tmp_path / "out", collection=settings)))


def _collect(config: Config) -> None:
    list(run_verb("collect", config))
