"""What every stage is given: the config, and where the finished artefacts stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.settings.config import Config
from relsearch.core.template import render
from relsearch.core.types import Document, Pair


@dataclass(frozen=True)
class Context:
    """Config and artefacts of one pipeline; tables are read once and kept."""

    config: Config

    def path(self, stage: str, *parts: str) -> Path:
        """Return where a stage's file stands."""
        return self.config.output.joinpath(stage, *parts)

    @cached_property
    def queries(self) -> pl.DataFrame:
        """All queries with their split."""
        return tables.read(self.path("collect", "queries.parquet"), tables.QUERIES)

    @cached_property
    def human(self) -> pl.DataFrame:
        """All human judgments."""
        return tables.read(self.path("collect", "qrels.parquet"), tables.JUDGMENTS)

    @cached_property
    def labels(self) -> pl.DataFrame:
        """All human judgments, and what `[pool] unjudged` says of the candidates that have none."""
        return tables.read(self.path("pool", "labels.parquet"), tables.JUDGMENTS)

    @cached_property
    def candidates(self) -> pl.DataFrame:
        """The pool of every query."""
        return tables.read(self.path("pool", "candidates.parquet"), tables.CANDIDATES)

    @cached_property
    def first_stage(self) -> pl.DataFrame:
        """The run of the first searcher: what the reranker reorders."""
        return tables.read(self.path("pool", "first_stage.parquet"), tables.CANDIDATES)

    @cached_property
    def query_texts(self) -> dict[str, str]:
        """Query text by id."""
        return dict(self.queries.select("query_id", "text").iter_rows())

    @cached_property
    def doc_ids(self) -> list[str]:
        """The ids of all documents, in order."""
        stored = pl.scan_parquet(self.path("collect", "documents.parquet"))
        return stored.select(pl.col("doc_id").sort()).collect()["doc_id"].to_list()

    @property
    def vectors(self) -> Path:
        """Where vectors of documents are kept between stages; outside artefacts, which are made anew."""
        return self.config.output / "vectors"

    def documents(self, doc_ids: Iterable[str]) -> list[Document]:
        """Return these documents, in the order of the collection; only theirs are read into memory."""
        wanted = pl.Series(sorted(set(doc_ids)), dtype=pl.String)
        stored = pl.scan_parquet(self.path("collect", "documents.parquet"))
        table = stored.filter(pl.col("doc_id").is_in(wanted.implode())).collect()
        absent = set(wanted) - set(table["doc_id"])
        if absent:
            raise DataError(f"document {min(absent)!r} is labelled or retrieved but not in the collection")
        return list(tables.documents_of(table))

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the rendered text of these documents by id."""
        template = self.config.collection.template
        return {document.doc_id: render(document.fields, template) for document in self.documents(doc_ids)}

    def split(self, *names: str) -> set[str]:
        """Return the ids of the queries in these splits."""
        return set(self.queries.filter(pl.col("split").is_in(names))["query_id"])

    def pairs(self, table: pl.DataFrame) -> list[Pair]:
        """Return the rows' query-document pairs as text; raise DataError where a text is missing."""
        unknown = set(table["query_id"]) - self.query_texts.keys()
        if unknown:
            raise DataError(f"query {min(unknown)!r} is labelled or retrieved but not in the collection")
        texts = self.texts(table["doc_id"])
        rows = table.select("query_id", "doc_id").iter_rows()
        return [Pair(query, doc, self.query_texts[query], texts[doc]) for query, doc in rows]


class WithoutTest(Context):
    """The same, but no table holds a test query: what searches for settings cannot see one."""

    @cached_property
    def queries(self) -> pl.DataFrame:
        """The queries that are not for testing, with their split."""
        return super().queries.filter(pl.col("split") != "test")

    @cached_property
    def human(self) -> pl.DataFrame:
        """The human judgments of these queries."""
        return self._mine(super().human)

    @cached_property
    def labels(self) -> pl.DataFrame:
        """The labels of these queries."""
        return self._mine(super().labels)

    @cached_property
    def candidates(self) -> pl.DataFrame:
        """The pools of these queries."""
        return self._mine(super().candidates)

    @cached_property
    def first_stage(self) -> pl.DataFrame:
        """The first searcher's run of these queries."""
        return self._mine(super().first_stage)

    def _mine(self, table: pl.DataFrame) -> pl.DataFrame:
        return table.filter(pl.col("query_id").is_in(self.queries["query_id"].implode()))
