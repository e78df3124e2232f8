"""Where the first order of a query comes from: an embedded index, a live engine, or a TREC run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.fields.template import DEFAULT_TEMPLATE, template_fields
from relsearch.core.protocols import Searcher
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.types import Document, Query
from relsearch.data.collection import Collection
from relsearch.data.trec import read_run
from relsearch.index.engine.hits import engine_scores, hit_fields, no_text_error
from relsearch.index.engine.http import Server, match_body
from relsearch.index.registry import build_searcher, open_searcher

_TYPED = "typed"  # the id of a query that someone typed
_LONGEST_TITLE = 160


@dataclass(frozen=True, slots=True)
class Passage:
    """A document that was found, with the engine's score."""

    doc_id: str
    fields: Mapping[str, str]
    score: float = 0.0

    @property
    def title(self) -> str:
        """The title, or the id where there is none."""
        return (self.fields.get("title", "").strip() or self.doc_id)[:_LONGEST_TITLE]

    @property
    def body(self) -> str:
        """All other fields."""
        return "\n".join(text for name, text in self.fields.items() if name != "title")


class Source(Protocol):
    """Finds passages for a query."""

    @property
    def name(self) -> str:
        """What is searched, for people."""
        ...

    def find(self, query: str, k: int) -> list[Passage]:
        """Return at most k passages, best first."""
        ...

    def passage(self, doc_id: str) -> Passage | None:
        """Return a document by its id, None where there is none."""
        ...


class IndexSource:
    """An embedded index over a collection whose documents are in memory."""

    def __init__(self, name: str, searcher: Searcher, documents: Mapping[str, Document]) -> None:
        self.name = name
        self._searcher = searcher
        self._documents = documents

    @classmethod
    def build(cls, name: str, collection: Collection, folder: Path) -> IndexSource:
        """Index a collection into an empty folder."""
        documents = {each.doc_id: each for each in collection.documents()}
        if not documents:
            raise DataError(f"{name}: the collection has no documents")
        searcher = build_searcher(
            "embedded",
            documents.values(),
            folder,
            index=IndexConfig(),
            encoder=EncoderConfig(),
            template=_all(documents),
        )
        return cls(name, searcher, documents)

    @classmethod
    def open(cls, name: str, collection: Collection, folder: Path) -> IndexSource:
        """Open the index that `relsearch index` wrote of the collection."""
        documents = {each.doc_id: each for each in collection.documents()}
        return cls(name, open_searcher("embedded", folder, index=IndexConfig(), encoder=EncoderConfig()), documents)

    def find(self, query: str, k: int) -> list[Passage]:
        """Return at most k passages, best first."""
        found = self._searcher.search([Query(_TYPED, query)], k)
        return [
            Passage(each.doc_id, self._documents[each.doc_id].fields, each.score)
            for each in found
            if each.doc_id in self._documents
        ]

    def passage(self, doc_id: str) -> Passage | None:
        """Return a document by its id, None where there is none."""
        found = self._documents.get(doc_id)
        return None if found is None else Passage(doc_id, found.fields)


class RunSource:
    """A TREC run: it answers the queries that it has, by their text."""

    def __init__(self, run: Path, collection: Collection) -> None:
        self.name = run.name
        self._run = read_run(run)
        wanted = set(self._run["doc_id"])
        self._documents = {each.doc_id: each for each in collection.documents() if each.doc_id in wanted}
        self._ids = {_folded(query.text): query.query_id for query in self.answered(collection.queries())}
        if not self._ids:
            raise DataError(f"{run}: none of its queries is in the collection; check that both belong together")

    @property
    def pool(self) -> pl.DataFrame:
        """The run as a candidates table."""
        return self._run

    def answered(self, queries: Sequence[Query]) -> list[Query]:
        """Return the queries that the run has."""
        there = set(self._run["query_id"])
        return [query for query in queries if query.query_id in there]

    def find(self, query: str, k: int) -> list[Passage]:
        """Return at most k passages, best first; raise DataError for a query that the run does not have."""
        rows = self._run.filter(pl.col("query_id") == self._ids.get(_folded(query), "")).sort("rank").head(k)
        if rows.is_empty():
            raise DataError(f"{self.name} has no query with this text; choose one of the collection's")
        named = rows.select("doc_id", "score").iter_rows()
        return [Passage(doc, self._documents[doc].fields, score) for doc, score in named if doc in self._documents]

    def passage(self, doc_id: str) -> Passage | None:
        """Return a document by its id, None where there is none."""
        found = self._documents.get(doc_id)
        return None if found is None else Passage(doc_id, found.fields)


class EngineSource:
    """An index of a running Elasticsearch or OpenSearch."""

    def __init__(self, server: Server, index: str, fields: Mapping[str, str] | None) -> None:
        self.name = f"{index} at {server.url}"
        self._server = server
        self._path = f"/{quote(index, safe=',*-')}/_search"
        self._fields = fields or {name: name for name in template_fields(DEFAULT_TEMPLATE)}

    def find(self, query: str, k: int) -> list[Passage]:
        """Return at most k passages, best first; raise SearchEngineError where the engine does not answer."""
        body = {**match_body(query, self._fields.values()), "size": k}
        found = self._server.ask("POST", self._path, body)["hits"]["hits"]
        passages = [
            Passage(hit["_id"], hit_fields(hit, self._fields), score)
            for hit, score in zip(found, engine_scores(found), strict=True)
        ]
        if passages and not any(passage.fields for passage in passages):
            raise no_text_error(found, self._fields, "name the fields with --field, e.g. --field text=body")
        return passages

    def passage(self, doc_id: str) -> Passage | None:
        """Return a document by its id, None where there is none."""
        found = self._server.ask("POST", self._path, {"query": {"ids": {"values": [doc_id]}}, "size": 1})
        return next((Passage(doc_id, hit_fields(hit, self._fields)) for hit in found["hits"]["hits"]), None)


def _all(documents: Mapping[str, Document]) -> str:
    """A template of all the fields that the first documents have: people search all that they see."""
    names: dict[str, None] = {}
    for document in list(documents.values())[:100]:
        names |= dict.fromkeys(name for name in document.fields if name.isidentifier())
    return "\n".join(f"{{{name}}}" for name in names)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
