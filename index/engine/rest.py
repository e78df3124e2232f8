"""What Elasticsearch and OpenSearch share: the index body, the documents' bulk actions, multi-search and its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError, SearchEngineError
from relsearch.core.fields.template import render
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Candidate, Document, Query
from relsearch.index.engine.access import Access
from relsearch.index.engine.http import CONTENTS, DOC_ID

LANGUAGES = ("dutch", "english", "french", "german", "italian", "portuguese", "spanish", "standard")
TIMEOUT_S = 60
AT_ONCE = 4  # requests in flight where many are made, which an engine's other searches hardly feel
BUSY = 429  # the engine's queue is full
# What an engine refuses as BUSY is sent again after 0.5 s, 1 s, 2 s … for 1.5 minutes in all: documents, and searches.
BULK: Mapping[str, Any] = {
    "chunk_size": 500,
    "max_chunk_bytes": 10_000_000,
    "max_retries": 8,
    "initial_backoff": 0.5,
    "max_backoff": 30,
    "raise_on_error": False,
}
WAITS_S = tuple(min(30.0, 0.5 * 2**number) for number in range(8))
_QUERIES_AT_ONCE = 50
_CONFLICT = 409
# The engines' default limit of clauses in one query is 1,024 or more; words beyond it say nothing new.
_MOST_WORDS = 512
# An index with this mark may be replaced; any other belongs to somebody else.
MARK = {"made_by": "relsearch"}

MultiSearch = Callable[[list[dict[str, Any]]], Mapping[str, Any]]


def retries(access: Access) -> int:
    """Return how often a request is sent again, so that each host is tried."""
    return max(3, len(access.hosts))


def index_body(index: IndexConfig) -> dict[str, Any]:
    """Return settings and mappings: the language's analyzer, BM25 with k1 and b, contents as well as all fields."""
    if index.language not in LANGUAGES:
        raise ConfigError(f"[index] language {index.language!r} is not known here; use one of: {', '.join(LANGUAGES)}")
    text = (files("relsearch.index") / "mappings" / f"{index.language}.json").read_text(encoding="utf-8")
    body: dict[str, Any] = json.loads(text)
    body["settings"]["similarity"] = {"default": {"type": "BM25", "k1": index.k1, "b": index.b}}
    body["mappings"] = {
        "_meta": MARK,
        "properties": {
            DOC_ID: {"type": "keyword"},
            CONTENTS: {"type": "text", "analyzer": "relsearch"},
            "fields": {"type": "object", "enabled": False},  # kept in _source, not indexed
        },
    }
    return body


def check_replaceable(mapping: Mapping[str, Any], name: str) -> None:
    """Raise SearchEngineError where an existing index was not made by relsearch."""
    if not mapping or not all(
        isinstance(each, dict) and isinstance(each.get("mappings"), dict) for each in mapping.values()
    ):
        raise SearchEngineError(f"index {name!r}: the answer is none of a search engine; check the URL")
    if any(each["mappings"].get("_meta", {}).get("made_by") != MARK["made_by"] for each in mapping.values()):
        raise SearchEngineError(f"index {name!r} exists and was not made by relsearch; set [index] name to another")


def bulk_actions(
    documents: Iterable[Document], name: str, template: str, *, op_type: str = "index"
) -> Iterator[dict[str, Any]]:
    """Yield one action a document: `index` replaces one of the same id, `create` leaves it."""
    for document in documents:
        source = {DOC_ID: document.doc_id, CONTENTS: render(document.fields, template), "fields": dict(document.fields)}
        yield {"_op_type": op_type, "_index": name, "_id": document.doc_id, "_source": source}


def count_progress(results: Iterable[tuple[bool, Any]], name: str) -> int:
    """Run a streaming bulk to its end with a progress bar and return how many documents it wrote.

    A document that `create` found there already is no refusal; any other is, and raises SearchEngineError.
    """
    written = 0
    for accepted, item in progress(results, desc=f"index into {name}", unit="doc"):
        written += accepted
        if not accepted and next(iter(item.values())).get("status") != _CONFLICT:
            raise SearchEngineError(f"index {name!r}: a document was refused: {json.dumps(item)[:300]}")
    return written


class RestSearcher:
    """Searches `contents` by multi-search; equal scores rank by doc_id."""

    def __init__(self, name: str, index_name: str, multi_search: MultiSearch) -> None:
        self.name = name
        self._index_name = index_name
        self._multi_search = multi_search

    def search(self, queries: Sequence[Query], k: int) -> Iterator[Candidate]:
        """Yield the documents that share a word with the query, best first."""
        asked = [query for query in queries if query.text.strip()]
        for start in range(0, len(asked), _QUERIES_AT_ONCE):
            batch = asked[start : start + _QUERIES_AT_ONCE]
            lines = [line for query in batch for line in ({"index": self._index_name}, _search_body(query, k))]
            for query, response in zip(batch, self._multi_search(lines)["responses"], strict=True):
                yield from self._candidates(query, response)

    def _candidates(self, query: Query, response: Mapping[str, Any]) -> Iterator[Candidate]:
        if "error" in response:
            reason = json.dumps(response["error"])[:300]
            raise SearchEngineError(f"{self.name}: query {query.query_id!r} failed: {reason}")
        for rank, hit in enumerate(response["hits"]["hits"], 1):
            yield Candidate(query.query_id, hit["_id"], float(hit["_score"]), rank, self.name)


def _search_body(query: Query, k: int) -> dict[str, Any]:
    words = " ".join(query.text.split()[:_MOST_WORDS])
    return {
        "query": {"match": {CONTENTS: {"query": words}}},
        "size": k,
        "_source": False,
        "track_scores": True,
        "track_total_hits": False,
        "sort": [{"_score": "desc"}, {DOC_ID: "asc"}],
    }
