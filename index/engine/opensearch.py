"""OpenSearch through its official client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from relsearch.core.errors import MissingExtraError
from relsearch.index.engine import rest
from relsearch.index.engine.access import Access
from relsearch.index.engine.http import Json, Reply, as_object

NAME = "opensearch"


def connect(access: Access, *, timeout_s: float | None = None) -> Any:
    """Return the official client; raise MissingExtraError where it is not installed, ValueError for an odd URL."""
    try:
        from opensearchpy import OpenSearch
    except ImportError as exc:
        raise MissingExtraError(NAME, "elasticsearch") from exc
    return OpenSearch(
        list(access.hosts),
        headers={"Authorization": f"ApiKey {access.api_key}"} if access.api_key else None,
        http_auth=access.login,
        ssl_context=access.certificates,
        timeout=timeout_s or rest.TIMEOUT_S,
        retry_on_timeout=timeout_s is None,
        max_retries=rest.retries(access),
        retry_on_status=(rest.BUSY, 502, 503, 504),  # as Elasticsearch's client does: another host may have room
        pool_maxsize=rest.AT_ONCE,
    )


def send(client: Any, method: str, path: str, body: Json | None) -> Reply:
    """Return the reply to one request, whatever its status."""
    return _reply(lambda: client.transport.perform_request(method, path, body=body))


def multi_search(client: Any, lines: list[dict[str, Any]]) -> Reply:
    """Return the reply, whatever its status, to searches that are given as headers and bodies in turn."""
    return _reply(lambda: client.msearch(body=lines))


def bulk(client: Any, actions: Iterable[dict[str, Any]]) -> Iterator[tuple[bool, Any]]:
    """Load documents, and yield for each whether it was accepted, and the answer."""
    from opensearchpy.helpers import streaming_bulk

    yield from streaming_bulk(client, actions, **rest.BULK)


def failures() -> tuple[type[Exception], ...]:
    """Return the client's own exceptions."""
    from opensearchpy.exceptions import OpenSearchException

    return (OpenSearchException,)


def reply_of(exc: Exception) -> Reply | None:
    """Return what the server answered, None where it did not answer."""
    from opensearchpy.exceptions import TransportError

    answered = isinstance(exc, TransportError) and isinstance(exc.status_code, int)
    return Reply(exc.status_code, as_object(exc.info)) if answered else None  # type: ignore[attr-defined]


def is_tls(exc: Exception) -> bool:
    """Whether TLS failed."""
    from opensearchpy.exceptions import SSLError

    return isinstance(exc, SSLError)


def _reply(ask: Callable[[], Any]) -> Reply:
    from opensearchpy.exceptions import TransportError

    try:
        return Reply(200, as_object(ask()))
    except TransportError as exc:
        if (reply := reply_of(exc)) is None:
            raise
        return reply
