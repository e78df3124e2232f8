"""A part of the packaged collection as a reader's own files: documents, queries, grades, and BM25's run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.files.atomic import PARTIAL, replace_text
from relsearch.core.scale import parse_scale
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.types import Document, Query
from relsearch.data.collection import load_collection
from relsearch.exporters.corpus import write_corpus
from relsearch.exporters.trec import qrels_text, write_run
from relsearch.index.registry import build_searcher

RUN = "bm25.trec"
_ASIDE = f".files{PARTIAL}"  # where they are written before all of them are whole
_QUERIES, _DEPTH = 30, 20  # which two cores rerank in less than a minute


def write_sample(folder: Path) -> dict[str, int]:
    """Write corpus.jsonl, queries.jsonl, qrels.tsv and bm25.trec into a new folder; return how much of each.

    The queries are the first 30 that have a relevant document, the documents BM25's first 20 for each and what people
    graded. Raise DataError where the folder holds something already.
    """
    if folder.exists() and not (folder.is_dir() and all(path.name == _ASIDE for path in folder.iterdir())):
        raise DataError(f"{folder}: there already; name a folder that is not, or is empty")
    source = load_collection("demo")
    labels, documents = tables.judgments_table(source.qrels()), list(source.documents())
    relevant = {*labels.filter(pl.col("grade") >= parse_scale("0-3").relevant)["query_id"]}
    queries = [query for query in source.queries() if query.query_id in relevant][:_QUERIES]
    labels = labels.filter(pl.col("query_id").is_in([query.query_id for query in queries]))
    run = _searched(queries, documents)
    shown = {*run["doc_id"], *labels["doc_id"]}
    kept = [document for document in documents if document.doc_id in shown]
    rows = (json.dumps({"_id": query.query_id, "text": query.text}, ensure_ascii=False) for query in queries)
    aside = folder / _ASIDE  # inside: the folder may be the working one, or a mount
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        write_corpus(kept, aside)
        replace_text(aside / "queries.jsonl", "".join(f"{row}\n" for row in rows))
        replace_text(aside / "qrels.tsv", qrels_text(labels))
        write_run(run, aside / RUN, tag="bm25")
        for path in sorted(aside.iterdir()):
            path.rename(folder / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return {"documents": len(kept), "queries": len(queries), "labels": labels.height, "candidates": run.height}


def _searched(queries: Sequence[Query], documents: Sequence[Document]) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as index:
        searcher = build_searcher("embedded", documents, index, index=IndexConfig(), encoder=EncoderConfig())
        return tables.candidates_table(searcher.search(queries, _DEPTH))
