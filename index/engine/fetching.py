"""What of a live index a reranker learns from, as a collection: each query's candidates, and the labelled documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError, DataError
from relsearch.core.files.text_files import parse_json, read_text
from relsearch.core.types import Candidate, Document, Query, StrPath
from relsearch.index.engine.hits import engine_scores, hit_documents, no_text_error, source_paths
from relsearch.index.engine.http import Server

PLACEHOLDER = "{{query}}"
_ASKING = ("query", "retriever", "knn", "sub_searches")  # a body's parts that find documents
_LOOKED_UP_AT_ONCE = 500

SearchBody = Callable[[str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The documents by id, the engine's candidates, and the labelled documents that the index does not have."""

    documents: Mapping[str, Document]
    candidates: Sequence[Candidate]
    absent: Sequence[str]


def fetch(
    server: Server,
    index: str,
    queries: Sequence[Query],
    labelled: Set[str],
    *,
    depth: int,
    names: Mapping[str, str],
    body: SearchBody,
) -> Fetched:
    """Search each query and return its first `depth` hits that have text, with those of the labelled documents.

    `names` gives the fields' paths in the index, `body` the search of a query. A document that an alias shows twice
    counts once, where it is highest. Raise SearchEngineError where the server refuses, ConfigError where no hit has
    text in the fields.
    """
    wanted = {"track_total_hits": False, "_source": source_paths(names)}
    path = f"/{quote(index, safe=',*')}/_search"
    documents: dict[str, Document] = {}
    candidates: list[Candidate] = []
    for query in progress(queries, desc="search", unit="query", total=len(queries)):
        hits = server.ask("POST", path, body(query.text) | wanted | {"size": depth})["hits"]["hits"]
        unique: dict[str, Mapping[str, Any]] = {}
        for hit in hits:
            unique.setdefault(hit["_id"], hit)
        found = {document.doc_id: document for document in hit_documents(unique.values(), names)}
        if hits and not found and not documents:
            raise no_text_error(hits, names, f"name the fields of index {index!r}, --field text=PATH")
        documents |= found
        scored = zip(found, engine_scores([unique[doc_id] for doc_id in found]), strict=True)
        candidates += (
            Candidate(query.query_id, doc_id, score, rank, server.name)
            for rank, (doc_id, score) in enumerate(scored, 1)
        )
    waiting = iter(sorted(labelled - documents.keys()))
    while ids := list(islice(waiting, _LOOKED_UP_AT_ONCE)):
        asked = wanted | {"query": {"ids": {"values": ids}}, "size": len(ids)}
        hits = server.ask("POST", path, asked)["hits"]["hits"]
        documents |= {document.doc_id: document for document in hit_documents(hits, names)}
    return Fetched(documents, candidates, sorted(labelled - documents.keys()))


def body_from(path: StrPath) -> SearchBody:
    """Return the search of a file: a search body as JSON, with a query or a retriever that holds {{query}}.

    Raise ConfigError where the file is no such body.
    """
    try:
        body = parse_json(read_text(path, "check --body"))
        json.dumps(_filled(body, ""), ensure_ascii=False, allow_nan=False).encode("utf-8")  # as it will be sent
    except DataError as exc:
        raise ConfigError(str(exc)) from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    asks = [body[name] for name in _ASKING if name in body] if isinstance(body, dict) else []
    if not asks:
        raise ConfigError(
            f'{path}: not a search body; write {{"query": {{"match": {{"title": "{PLACEHOLDER}"}}}}}}, or a retriever'
        )
    if not any(PLACEHOLDER in text for text in _texts(asks)):
        raise ConfigError(f"{path}: no {PLACEHOLDER} in its query; write it where a query's words belong")
    return lambda text: _filled(body, text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _filled(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, text)
    if isinstance(value, list):
        return [_filled(each, text) for each in value]
    return {key: _filled(each, text) for key, each in value.items()} if isinstance(value, dict) else value
