"""A small training set over the shared documents, and a reranker trained on it in seconds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.fields.template import DEFAULT_TEMPLATE, render
from relsearch.core.settings.config import EncoderConfig, TrainConfig
from relsearch.core.types import SCALES, Document, Pair, Query
from relsearch.rerank.families import train
from relsearch.rerank.train_job import Texts, TrainJob, TrainReport

GRADES = {"sea": 3, "sky": 2}  # for every query alike: what training queries teach holds on dev queries too


def texts_of(queries: Sequence[Query], documents: Sequence[Document]) -> Texts:
    """The texts of the shared queries and documents."""
    rendered = {document.doc_id: render(document.fields) for document in documents}
    return Texts({query.query_id: query.text for query in queries}, rendered, DEFAULT_TEMPLATE)


def examples_of(query_ids: Sequence[str], documents: Sequence[Document]) -> pl.DataFrame:
    """Human examples of all documents, graded by topic whatever the query: easy to learn, unknown to a cosine."""
    rows = []
    for query_id in query_ids:
        for document in documents:
            grade = GRADES.get(document.doc_id.split("-")[0], 0)
            rows.append((query_id, document.doc_id, grade / 3, 1.0, grade, "human"))
    return pl.DataFrame(rows, schema=dict(tables.EXAMPLES), orient="row")


def train_tiny(
    base: Path,
    output: Path,
    *,
    queries: Sequence[Query],
    documents: Sequence[Document],
    dev_documents: Sequence[Document] | None = None,
    **settings: float | str,
) -> TrainReport:
    """Train on two queries for 24 steps, look at the other two after 0, 12 and 24."""
    schedule = {"max_length": 64, "max_steps": 24, "evaluations": 2, "epochs": 20, "documents_per_query": 5}
    rates = {"learning_rate": 1e-2, "head_multiple": 1}
    job = TrainJob(
        examples=examples_of(["q1", "q2"], documents),
        dev_examples=examples_of(["q3", "q4"], dev_documents or documents),
        texts=texts_of(queries, documents),
        config=TrainConfig.model_validate({"family": "cross", "base": str(base), **schedule, **rates, **settings}),
        encoder=EncoderConfig(model=str(base)),
        scale=SCALES["0-3"],
        seed=7,
        output=output,
        training_data="ten documents",
    )
    with warnings.catch_warnings():
        # Two checkpoints within a second, which only a tiny model writes; the trainer then orders them by number.
        warnings.filterwarnings("ignore", message="mtime may not be reliable")
        return train(job)


def dev_pairs(queries: Sequence[Query], documents: Sequence[Document]) -> list[Pair]:
    """All pairs of the two held-out queries."""
    return texts_of(queries, documents).pairs(examples_of(["q3", "q4"], documents).select("query_id", "doc_id").rows())
