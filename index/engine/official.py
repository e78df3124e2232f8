"""A running engine through its official client, whichever it is: its errors become one line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from relsearch.core.errors import ConfigError, SearchEngineError, reason
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document
from relsearch.index.engine import rest
from relsearch.index.engine.access import Access, access, unreachable
from relsearch.index.engine.http import Json, Reply, Server


class Client(Protocol):
    """What each official client's module has."""

    NAME: str

    def connect(self, access: Access, *, timeout_s: float | None = None) -> Any:
        """Return the client; with a time limit, a request that takes longer is not sent again."""
        ...

    def send(self, client: Any, method: str, path: str, body: Json | None) -> Reply:
        """Return the reply to one request, whatever its status."""
        ...

    def multi_search(self, client: Any, lines: list[dict[str, Any]]) -> Reply:
        """Return the reply to searches, whatever its status."""
        ...

    def bulk(self, client: Any, actions: Iterable[dict[str, Any]]) -> Iterator[tuple[bool, Any]]:
        """Load documents, and yield for each whether it was accepted, and the answer."""
        ...

    def failures(self) -> tuple[type[Exception], ...]:
        """Return the client's own exceptions."""
        ...

    def reply_of(self, exc: Exception) -> Reply | None:
        """Return what the server answered, None where it did not answer."""
        ...

    def is_tls(self, exc: Exception) -> bool:
        """Whether TLS failed."""
        ...


def build(kind: Client, documents: Iterable[Document], *, index: IndexConfig, template: str) -> rest.RestSearcher:
    """Create the index, replacing one that relsearch made, fill it, and return its searcher."""
    server = connect(kind, index.url)
    body = rest.index_body(index)
    found = server.send("GET", f"/{index.name}/_mapping", None)
    if found.ok:
        rest.check_replaceable(found.body, index.name)
        server.ask("DELETE", f"/{index.name}")
    server.ask("PUT", f"/{index.name}", body)
    rest.count_progress(server.bulk(rest.bulk_actions(documents, index.name, template)), index.name)
    server.ask("POST", f"/{index.name}/_refresh")
    return open_index(kind, index=index)


def open_index(kind: Client, *, index: IndexConfig) -> rest.RestSearcher:
    """Return the searcher of an existing index."""
    client = _open(kind, kind.NAME, index.url)

    def multi_search(lines: list[dict[str, Any]]) -> dict[str, Any]:
        with _one_line_errors(kind, kind.NAME, index.url):
            reply = _when_free(lambda: kind.multi_search(client, lines))
        if not reply.ok:
            raise SearchEngineError(f"{kind.NAME} at {index.url}: status {reply.status}: {reply.reason}")
        return reply.body

    return rest.RestSearcher(kind.NAME, index.name, multi_search)


def connect(kind: Client, url: str, *, name: str = "", timeout_s: float | None = None) -> Server:
    """Return the engine at a URL as requests and bulk loads; errors call it by `name`, or by the client's.

    With a time limit, an engine that does not answer by then is not asked again, and one that is busy not waited for.
    """
    name = name or kind.NAME
    client = _open(kind, name, url, timeout_s=timeout_s)

    def send(method: str, path: str, body: Json | None) -> Reply:
        with _one_line_errors(kind, name, url):
            if timeout_s is not None:
                return kind.send(client, method, path, body)
            return _when_free(lambda: kind.send(client, method, path, body))

    def bulk(actions: Iterable[dict[str, Any]]) -> Iterator[tuple[bool, Any]]:
        with _one_line_errors(kind, name, url):
            yield from kind.bulk(client, actions)

    return Server(name, url, send, bulk)


def _when_free(ask: Callable[[], Reply]) -> Reply:
    """The reply to a request, which is made again after a while where the engine is too busy for it."""
    for wait_s in rest.WAITS_S:
        reply = ask()
        if not _is_busy(reply):
            return reply
        time.sleep(wait_s)
    return ask()


def _is_busy(reply: Reply) -> bool:
    """Whether a request is refused, or one of the searches in it."""
    answers = reply.body.get("responses")
    searches = [each for each in answers if isinstance(each, dict)] if isinstance(answers, list) else []
    return rest.BUSY in (reply.status, *(each.get("status") for each in searches))


@contextmanager
def connected(kind: Client, url: str) -> Iterator[Any]:
    """Yield the official client of a running engine."""
    with _open(kind, kind.NAME, url) as client, _one_line_errors(kind, kind.NAME, url):
        yield client


def _open(kind: Client, name: str, url: str, *, timeout_s: float | None = None) -> Any:
    reached = access(name, url)
    try:
        return kind.connect(reached, timeout_s=timeout_s)
    except ValueError as exc:
        raise ConfigError(f"{name} at {url}: {reason(exc)}; write http://HOST:PORT") from exc


@contextmanager
def _one_line_errors(kind: Client, name: str, url: str) -> Iterator[None]:
    """Turn the client's errors into one SearchEngineError that names the server."""
    failures: tuple[type[Exception], ...] = (*kind.failures(), RecursionError)
    try:
        yield
    except failures as exc:
        reply = kind.reply_of(exc)
        if reply is None:
            raise unreachable(name, url, reason(exc), tls=kind.is_tls(exc)) from exc
        raise SearchEngineError(f"{name} at {url}: status {reply.status}: {reply.reason}") from exc
