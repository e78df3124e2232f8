"""OpenSearch through its official client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from relsearch.core.errors import ConfigError, MissingExtraError, SearchEngineError, reason
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document
from relsearch.index.engine import rest
from relsearch.index.engine.http import Json, Reply, Server, as_object

NAME = "opensearch"


def build(documents: Iterable[Document], *, index: IndexConfig, template: str) -> rest.RestSearcher:
    """Create the index, replacing one that relsearch made, fill it, and return its searcher."""
    client = connect(index.url)
    with one_line_errors(index.url):
        if client.indices.exists(index=index.name):
            rest.check_replaceable(client.indices.get_mapping(index=index.name), index.name)
            client.indices.delete(index=index.name)
        client.indices.create(index=index.name, body=rest.index_body(index))
        actions = rest.bulk_actions(documents, index.name, template)
        rest.count_progress(_bulk(client, actions), index.name)
        client.indices.refresh(index=index.name)
    return open_index(index=index)


def open_index(*, index: IndexConfig) -> rest.RestSearcher:
    """Return the searcher of an existing index."""
    client = connect(index.url)

    def multi_search(lines: list[dict[str, Any]]) -> dict[str, Any]:
        with one_line_errors(index.url):
            return dict(client.msearch(body=lines))

    return rest.RestSearcher(NAME, index.name, multi_search)


def server(url: str) -> Server:
    """Return the server at a URL as requests and bulk loads."""
    client = connect(url)

    def send(method: str, path: str, body: Json | None) -> Reply:
        from opensearchpy.exceptions import ConnectionError as Unreachable
        from opensearchpy.exceptions import TransportError

        with one_line_errors(url):
            try:
                return Reply(200, as_object(client.transport.perform_request(method, path, body=body)))
            except TransportError as exc:
                if isinstance(exc, Unreachable):
                    raise
                return Reply(int(exc.status_code), as_object(exc.info))

    def bulk(actions: Iterable[dict[str, Any]]) -> Iterator[tuple[bool, Any]]:
        with one_line_errors(url):
            yield from _bulk(client, actions)

    return Server(NAME, url, send, bulk)


def _bulk(client: Any, actions: Iterable[dict[str, Any]]) -> Iterator[tuple[bool, Any]]:
    from opensearchpy.helpers import streaming_bulk

    yield from streaming_bulk(client, actions, **rest.BULK)


def connect(url: str) -> Any:
    """Return the official client of a server; raise MissingExtraError where it is not installed."""
    try:
        from opensearchpy import OpenSearch
    except ImportError as exc:
        raise MissingExtraError(NAME, "elasticsearch") from exc
    headers = {"Authorization": f"ApiKey {rest.api_key()}"} if rest.api_key() else None
    rest.check_url(NAME, url)
    try:
        return OpenSearch(url, headers=headers, timeout=rest.TIMEOUT_S, retry_on_timeout=True, max_retries=3)
    except ValueError as exc:
        raise ConfigError(f"opensearch at {url!r}: {exc}; write http://HOST:PORT") from exc


@contextmanager
def one_line_errors(url: str) -> Iterator[None]:
    """Turn the client's errors into one SearchEngineError that names the server."""
    from opensearchpy.exceptions import OpenSearchException

    try:
        yield
    except (OpenSearchException, RecursionError) as exc:
        raise SearchEngineError(f"opensearch at {url}: {reason(exc)}; check [index] url (--url) and name") from exc
