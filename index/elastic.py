"""Elasticsearch through its official client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from relsearch.config import IndexConfig
from relsearch.errors import MissingExtraError, SearchEngineError
from relsearch.index import rest
from relsearch.types import Document

NAME = "elasticsearch"


def build(documents: Iterable[Document], *, index: IndexConfig, template: str) -> rest.RestSearcher:
    """Create the index, replacing one that relsearch made, fill it, and return its searcher."""
    from elasticsearch.helpers import streaming_bulk

    client = _client(index)
    body = rest.index_body(index)
    with _one_line_errors(index):
        if client.indices.exists(index=index.name):
            rest.check_replaceable(client.indices.get_mapping(index=index.name), index.name)
            client.indices.delete(index=index.name)
        client.indices.create(index=index.name, settings=body["settings"], mappings=body["mappings"])
        actions = rest.bulk_actions(documents, index.name, template)
        rest.count_progress(streaming_bulk(client, actions, max_retries=5, raise_on_error=False), index.name)
        client.indices.refresh(index=index.name)
    return open_index(index=index)


def open_index(*, index: IndexConfig) -> rest.RestSearcher:
    """Return the searcher of an existing index."""
    client = _client(index)

    def multi_search(lines: list[dict[str, Any]]) -> dict[str, Any]:
        with _one_line_errors(index):
            return dict(client.msearch(searches=lines))

    return rest.RestSearcher(NAME, index.name, multi_search)


def _client(index: IndexConfig) -> Any:
    try:
        from elasticsearch import Elasticsearch
    except ImportError as exc:
        raise MissingExtraError(NAME, "elasticsearch") from exc
    return Elasticsearch(
        index.url, api_key=rest.api_key(), request_timeout=rest.TIMEOUT_S, retry_on_timeout=True, max_retries=3
    )


@contextmanager
def _one_line_errors(index: IndexConfig) -> Iterator[None]:
    from elasticsearch import ApiError, TransportError

    try:
        yield
    except (ApiError, TransportError) as exc:
        reason = str(exc).splitlines()[0]
        raise SearchEngineError(f"elasticsearch at {index.url}: {reason}; check [index] url and name") from exc
