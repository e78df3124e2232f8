"""Elasticsearch through its official client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from relsearch.core.errors import MissingExtraError
from relsearch.index.engine import rest
from relsearch.index.engine.access import Access
from relsearch.index.engine.http import Json, Reply, as_object

NAME = "elasticsearch"


def connect(access: Access, *, timeout_s: float | None = None) -> Any:
    """Return the official client; raise MissingExtraError where it is not installed, ValueError for an odd URL."""
    try:
        from elasticsearch import Elasticsearch
    except ImportError as exc:
        raise MissingExtraError(NAME, "elasticsearch") from exc
    return Elasticsearch(
        list(access.hosts),
        api_key=access.api_key,
        basic_auth=access.login,
        ssl_context=access.certificates,
        request_timeout=timeout_s or rest.TIMEOUT_S,
        retry_on_timeout=timeout_s is None,
        max_retries=rest.retries(access),
    )


def send(client: Any, method: str, path: str, body: Json | None) -> Reply:
    """Return the reply to one request, whatever its status."""
    headers = {"accept": "application/json"} | ({"content-type": "application/json"} if body is not None else {})
    return _reply(lambda: client.perform_request(method, path, headers=headers, body=body))


def multi_search(client: Any, lines: list[dict[str, Any]]) -> Reply:
    """Return the reply, whatever its status, to searches that are given as headers and bodies in turn."""
    return _reply(lambda: client.msearch(searches=lines))


def bulk(client: Any, actions: Iterable[dict[str, Any]]) -> Iterator[tuple[bool, Any]]:
    """Load documents, and yield for each whether it was accepted, and the answer."""
    from elasticsearch.helpers import streaming_bulk

    yield from streaming_bulk(client, actions, **rest.BULK)


def failures() -> tuple[type[Exception], ...]:
    """Return the client's own exceptions."""
    from elasticsearch import ApiError, TransportError

    return ApiError, TransportError


def reply_of(exc: Exception) -> Reply | None:
    """Return what the server answered, None where it did not answer."""
    from elasticsearch import ApiError

    return Reply(exc.status_code, as_object(exc.body)) if isinstance(exc, ApiError) else None


def is_tls(exc: Exception) -> bool:
    """Whether TLS failed."""
    from elastic_transport import TlsError

    return isinstance(exc, TlsError)


def _reply(ask: Callable[[], Any]) -> Reply:
    from elasticsearch import ApiError

    try:
        answer = ask()
    except ApiError as exc:
        return Reply(exc.status_code, as_object(exc.body))
    return Reply(answer.meta.status, as_object(answer.body))
