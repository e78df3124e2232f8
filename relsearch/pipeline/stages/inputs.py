"""What stages read: where artefacts stand, what was collected, and the pools.

A stage function takes the config, the directory that it fills and, by keyword, those of `artefacts`, `collected` and
`pools` that it reads. Tables are read when first asked for, once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.fields.template import render
from relsearch.core.settings.config import Config
from relsearch.core.types import Document, Pair

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Artefacts:
    """Where the artefacts of one pipeline stand."""

    output: Path

    def path(self, stage: str, *parts: str) -> Path:
        """Return the directory of a stage, or a file in it."""
        return self.output.joinpath(stage, *parts)

    @property
    def vectors(self) -> Path:
        """Where vectors of documents are kept between stages: outside the artefacts, which are replaced whole."""
        return self.output / "vectors"

    @property
    def judgments(self) -> Path:
        """Where labels are kept, so that no pair is paid for twice, whatever else of a stage changes."""
        return self.output / "judgments"

    @property
    def written(self) -> Path:
        """Where written queries are kept, so that no document is written for twice."""
        return self.output / "written"


@dataclass(frozen=True)
class Collected:
    """Documents, queries and human labels, as `collect` left them; none of queries in a hidden split."""

    folder: Path
    template: str
    hidden: frozenset[str] = _NONE

    @cached_property
    def queries(self) -> pl.DataFrame:
        """All queries with their split."""
        queries = tables.read(self.folder / "queries.parquet", tables.QUERIES)
        return queries.filter(~pl.col("split").is_in(sorted(self.hidden))) if self.hidden else queries

    @cached_property
    def human(self) -> pl.DataFrame:
        """All human judgments."""
        return self.visible(tables.read(self.folder / "qrels.parquet", tables.JUDGMENTS))

    @cached_property
    def query_texts(self) -> dict[str, str]:
        """Query text by id."""
        return dict(self.queries.select("query_id", "text").iter_rows())

    @cached_property
    def doc_ids(self) -> list[str]:
        """The ids of all documents, in order."""
        return self._stored.select(pl.col("doc_id").sort()).collect()["doc_id"].to_list()

    @property
    def document_table(self) -> pl.DataFrame:
        """The table of all documents; read anew each time, since it may be large."""
        return tables.read(self.folder / "documents.parquet", tables.DOCUMENTS)

    def documents(self, doc_ids: Iterable[str]) -> list[Document]:
        """Return these documents, in the order of the collection; only theirs are read into memory."""
        wanted = pl.Series(sorted(set(doc_ids)), dtype=pl.String)
        table = self._stored.filter(pl.col("doc_id").is_in(wanted.implode())).collect()
        absent = set(wanted) - set(table["doc_id"])
        if absent:
            raise DataError(f"document {min(absent)!r} is labelled or retrieved but not in the collection")
        return list(tables.documents_of(table))

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the rendered text of these documents by id."""
        return {document.doc_id: render(document.fields, self.template) for document in self.documents(doc_ids)}

    def pairs(self, table: pl.DataFrame) -> list[Pair]:
        """Return the rows' query-document pairs as text; raise DataError where a text is missing."""
        unknown = set(table["query_id"]) - self.query_texts.keys()
        if unknown:
            raise DataError(f"query {min(unknown)!r} is labelled or retrieved but not in the collection")
        texts = self.texts(table["doc_id"])
        rows = table.select("query_id", "doc_id").iter_rows()
        return [Pair(query, doc, self.query_texts[query], texts[doc]) for query, doc in rows]

    def split(self, *names: str) -> set[str]:
        """Return the ids of the queries in these splits."""
        return set(self.queries.filter(pl.col("split").is_in(names))["query_id"])

    def human_in(self, *splits: str) -> pl.DataFrame:
        """Return the human judgments of the queries in these splits."""
        return of_queries(self.human, self.split(*splits))

    def visible(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the table without the rows of hidden queries."""
        return of_queries(table, self.queries["query_id"]) if self.hidden else table

    @property
    def _stored(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.folder / "documents.parquet")


@dataclass(frozen=True)
class Pools:
    """The candidates of each query, as `pool` left them, and what was collected before them."""

    folder: Path
    collected: Collected
    further: pl.DataFrame | None = None

    @cached_property
    def candidates(self) -> pl.DataFrame:
        """The candidates of all searchers."""
        return self._read("candidates", tables.CANDIDATES)

    @cached_property
    def first_stage(self) -> pl.DataFrame:
        """The run of the first searcher, which the reranker reorders."""
        run = self._read("first_stage", tables.CANDIDATES)
        return run if self.further is None else pl.concat([run, self.further.select(run.columns)])

    @cached_property
    def labels(self) -> pl.DataFrame:
        """All human judgments, and the grades that `[pool] unjudged` assumes for candidates that have none."""
        return self._read("labels", tables.JUDGMENTS)

    def labels_in(self, *splits: str) -> pl.DataFrame:
        """Return the labels, human and assumed, of the queries in these splits."""
        return of_queries(self.labels, self.collected.split(*splits))

    def head(self, depth: int) -> pl.DataFrame:
        """Return the candidates down to a rank."""
        return self.candidates.filter(pl.col("rank") <= depth)

    def searched(self, run: pl.DataFrame) -> Pools:
        """Return the same pools whose first stage has found a run of further queries too."""
        return replace(self, further=run)

    def without_test(self) -> Pools:
        """Return the same pools without test queries, which what searches for settings must not see."""
        return replace(self, collected=replace(self.collected, hidden=frozenset({"test"})))

    def _read(self, name: str, schema: tables.Schema) -> pl.DataFrame:
        return self.collected.visible(tables.read(self.folder / f"{name}.parquet", schema))


def open_collected(config: Config) -> Collected:
    """Return what the pipeline of a config has collected."""
    return Collected(config.output / "collect", config.collection.template)


def open_pools(config: Config) -> Pools:
    """Return the pools of a config's pipeline."""
    return Pools(config.output / "pool", open_collected(config))


def of_queries(table: pl.DataFrame, query_ids: Collection[str] | pl.Series) -> pl.DataFrame:
    """Return the rows of these queries."""
    wanted = query_ids if isinstance(query_ids, pl.Series) else pl.Series(sorted(query_ids), dtype=pl.String)
    return table.filter(pl.col("query_id").is_in(wanted.implode()))
