"""Stages that gather: collect (documents, queries, labels), index, pool."""

from __future__ import annotations

import logging
from collections.abc import Set
from itertools import islice
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.display.wording import counted
from relsearch.core.errors import ConfigError, DataError
from relsearch.core.fields.template import template_fields
from relsearch.core.files.text_files import csv_rows, fail
from relsearch.core.settings.config import Config
from relsearch.core.types import Scale
from relsearch.data.assumed import with_assumed
from relsearch.data.collection import Collection, load_collection
from relsearch.data.duplicates import set_apart
from relsearch.data.pool import split, union
from relsearch.data.trec import read_run
from relsearch.index.registry import build_searcher, open_searcher
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.inputs import Artefacts, Collected

SPLITS = ("train", "dev", "test", "unlabelled")
_CHUNK = 20_000
_LOG = logging.getLogger(__name__)


def collect(config: Config, work: Building) -> None:
    """Load the collection once, check it, and split its queries."""
    collection = load_collection(config.collection.source)
    documents = _write_documents(collection, work.directory / "documents.parquet", config.collection.template)
    queries = pl.DataFrame(
        [(q.query_id, q.text) for q in collection.queries()],
        schema={"query_id": pl.String, "text": pl.String},
        orient="row",
    )
    if queries.is_empty():
        raise DataError("the collection has no queries")
    human = _of_present(tables.judgments_table(collection.qrels()), "doc_id", set(documents["doc_id"]))
    human = _of_present(human, "query_id", set(queries["query_id"]))
    _check_grades(human, config.scale, config.collection.scale)
    if config.collection.splits is None:
        queries = split(
            queries,
            labelled=set(human["query_id"]),
            dev_share=config.pool.dev_share,
            test_share=config.pool.test_share,
            seed=config.seed,
        )
    else:
        queries = _given_splits(queries, config.collection.splits)
    queries = set_apart(queries, threshold=config.pool.near_duplicate)
    tables.write(queries, work.directory / "queries.parquet", tables.QUERIES)
    tables.write(human, work.directory / "qrels.parquet", tables.JUDGMENTS)
    counts = dict(queries.group_by("split").len().sort("split").iter_rows())
    work.figures |= {"documents": documents.height, "queries": counts, "human_labels": human.height}


def index(config: Config, work: Building, *, collected: Collected) -> None:
    """Build one index a searcher."""
    documents = collected.document_table
    for name in _searchers(config):
        build_searcher(
            name,
            tables.documents_of(documents),
            work.directory / name,
            index=config.index,
            encoder=config.encoder,
            template=config.collection.template,
        )
    work.figures["searchers"] = list(_searchers(config))


def pool(config: Config, work: Building, *, collected: Collected, artefacts: Artefacts) -> None:
    """Search every query with every searcher, unite the results, and grade unlabelled candidates by `unjudged`."""
    queries = tables.queries_of(collected.queries)
    runs: list[pl.DataFrame] = []
    for name in _searchers(config):
        where = artefacts.path("index", name)
        searcher = open_searcher(name, where, index=config.index, encoder=config.encoder)
        runs.append(tables.candidates_table(searcher.search(queries, config.pool.depth)))
    given = (read_run(path) for path in config.pool.runs)  # one at a time in memory
    candidates = union(given if config.pool.runs else runs, config.pool.depth)
    first = runs[0] if runs else candidates
    if config.pool.runs:
        _check_present(candidates, set(collected.doc_ids))
    tables.write(candidates, work.directory / "candidates.parquet", tables.CANDIDATES)
    tables.write(first, work.directory / "first_stage.parquet", tables.CANDIDATES)
    labels = with_assumed(collected.human, candidates, unjudged=config.pool.unjudged, scale=config.scale)
    tables.write(labels, work.directory / "labels.parquet", tables.JUDGMENTS)
    assumed = labels.height - collected.human.height
    if assumed and config.pool.unjudged == "auto":
        _LOG.warning(
            "pool: no label has grade %d, so %d candidates without one count as irrelevant; "
            "set [pool] unjudged to 'irrelevant' to say so, or to 'unknown'",
            config.scale.lowest,
            assumed,
        )
    counts = {"candidates": candidates.height, "queries": candidates["query_id"].n_unique()}
    work.figures |= {**counts, "assumed_irrelevant": assumed}


def _searchers(config: Config) -> tuple[str, ...]:
    return () if config.pool.runs else config.index.searchers


def _write_documents(collection: Collection, path: Path, template: str) -> pl.DataFrame:
    # A documents table has one column per field; fields differ between documents, so chunks are united by name.
    documents = iter(collection.documents(template_fields(template)))
    chunks: list[pl.DataFrame] = []
    while chunk := list(islice(documents, _CHUNK)):
        chunks.append(tables.documents_table(chunk))
    if not chunks:
        raise DataError("the collection has no documents")
    table = pl.concat(chunks, how="diagonal")
    _check_template(tables.field_names(table), template)
    tables.write(table, path, tables.DOCUMENTS)
    return table


def _of_present(human: pl.DataFrame, column: str, present: Set[str]) -> pl.DataFrame:
    """The labels of queries, or documents, that there are: an index forgets what people labelled."""
    kind = {"query_id": "queries", "doc_id": "documents"}[column]
    labelled = set(human[column])
    absent = sorted(labelled - present)
    if absent and len(absent) == len(labelled):
        raise DataError(
            f"qrels: none of the {len(labelled)} labelled {kind} is in the collection, the first {absent[0]!r}; "
            "give qrels of this collection, or its own ids"
        )
    if absent:
        _LOG.warning(
            "qrels: %d labelled %s are not in the collection, the first %r; their labels are left out",
            len(absent),
            kind,
            absent[0],
        )
    return human.filter(~pl.col(column).is_in(absent))


def _check_present(candidates: pl.DataFrame, doc_ids: Set[str]) -> None:
    unknown = candidates.filter(~pl.col("doc_id").is_in(sorted(doc_ids)))
    if unknown.height:
        count = counted(unknown["doc_id"].n_unique(), "document")
        raise DataError(
            f"[pool] runs: {count} not in the collection, the first {unknown['doc_id'][0]!r}; "
            "give runs of this collection"
        )


def _check_template(present: set[str], template: str) -> None:
    """Judge and reranker read what the template names: bodies under another name would be silently left out."""
    names = set(template_fields(template))
    absent, unread = ", ".join(sorted(names - present)), ", ".join(sorted(present - names))
    if not names & present:
        raise ConfigError(
            f"[collection] template {template!r}: no document has {absent}; name what they have: {unread or 'nothing'}"
        )
    if absent and unread:
        _LOG.warning("[collection] template names %s, which no document has; nothing reads %s", absent, unread)


def _check_grades(human: pl.DataFrame, scale: Scale, name: str) -> None:
    outside = human.filter(~pl.col("grade").is_in(scale.grades))
    if outside.height:
        query_id, doc_id, grade = outside.select("query_id", "doc_id", "grade").row(0)
        raise DataError(
            f"qrels: grade {grade} of query {query_id!r}, document {doc_id!r} is outside scale {name}; "
            "set [collection] scale"
        )
    if not human.is_empty() and (human["grade"] < scale.relevant).all():
        raise DataError(
            f"qrels: no grade reaches {scale.relevant}, from which scale {name} calls a document relevant; "
            'set [collection] scale, to "binary" where 1 is relevant'
        )


def _given_splits(queries: pl.DataFrame, path: Path) -> pl.DataFrame:
    found: dict[str, tuple[int, str]] = {}
    for number, row in csv_rows(path, "\t"):
        if len(row) != 2 or row[1] not in SPLITS:
            fail(path, number, f"expected query id, tab, one of {', '.join(SPLITS)}")
        first, name = found.setdefault(row[0], (number, row[1]))
        if name != row[1]:
            fail(path, number, f"query {row[0]!r} is in {row[1]!r} here and in {name!r} in line {first}; keep one")
    for query_id in queries["query_id"]:
        if query_id not in found:
            raise DataError(f"{path}: no split for query {query_id!r}")
    names = [found[query_id][1] for query_id in queries["query_id"]]
    return queries.with_columns(split=pl.Series(names, dtype=pl.String))
