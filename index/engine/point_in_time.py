"""Points in time of an engine: what a search of many pages sees stays as it was when the point was opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from relsearch.index.engine.http import Server

_KEEP_ALIVE = "2m"


def open_point(server: Server, index: str, *, keep_alive: str) -> str:
    """Open a point in time of an index, an alias or a pattern, and return its id."""
    path = quote(index, safe=",*")
    if server.name == "opensearch":
        return str(server.ask("POST", f"/{path}/_search/point_in_time?keep_alive={keep_alive}")["pit_id"])
    return str(server.ask("POST", f"/{path}/_pit?keep_alive={keep_alive}")["id"])


def close_point(server: Server, point: str) -> None:
    """Close a point in time."""
    if server.name == "opensearch":
        server.ask("DELETE", "/_search/point_in_time", {"pit_id": [point]})
    else:
        server.ask("DELETE", "/_pit", {"id": point})


@contextmanager
def point_in_time(server: Server, index: str) -> Iterator[dict[str, str]]:
    """Yield the `pit` of a search body, which is closed when the block ends."""
    point = open_point(server, index, keep_alive=_KEEP_ALIVE)
    try:
        yield {"id": point, "keep_alive": _KEEP_ALIVE}
    finally:
        close_point(server, point)
