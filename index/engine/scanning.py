"""Every document of an index, in slices of one point in time that are read at once and go on after an interruption.

A journal holds how far each slice was read. An engine keeps the point in time for half an hour after the last request;
after that a scan begins anew.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from relsearch.core.display.progress import progress
from relsearch.core.files.journal import Journal
from relsearch.core.types import Document
from relsearch.index.engine.hits import hit_documents, source_paths
from relsearch.index.engine.http import Json, Server
from relsearch.index.engine.point_in_time import close_point, open_point
from relsearch.index.engine.rest import AT_ONCE

PAGE = 512
_KEEP_ALIVE = "30m"

_Hits = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A scan: what it asks for, the engine's point in time, its slices as search bodies, and how many documents."""

    about: dict[str, Any]
    point: str
    slices: list[dict[str, Any]]
    total: int


def scan(
    server: Server,
    index: str,
    journal: Journal,
    *,
    names: Mapping[str, str],
    query: Json | None = None,
    keep: bool = False,
    into: str = "",
    resumable: bool = True,
) -> Generator[list[Document]]:
    """Yield the documents of an index, an alias or a pattern that have text, some hundred at a time.

    `names` gives the fields' paths; `query` says which documents, by default all. A page is noted in the journal, with
    its documents where `keep` is set, when the next one is asked for: what is made of it must be kept by then. A scan
    that asks for the same, for what is called the same (`into`), goes on behind the noted pages, unless `resumable` is
    false. Raise SearchEngineError where the server refuses.
    """
    asked: dict[str, Any] = {"names": dict(names), "query": query or {"match_all": {}}}
    about = {"url": server.url, "index": index, **asked, "keep": keep, "into": into}
    begun, noted = _unfinished(server, journal, about) if resumable else (None, [])
    if begun is None:
        begun, noted = _begin(server, index, about), []
        journal.append({"begun": asdict(begun)})
    after = {row["slice"]: row["after"] for row in noted}
    open_slices = iter([number for number in range(len(begun.slices)) if after.get(number, True) is not None])
    bar = progress(desc=f"read {index}", unit="doc", total=begun.total, initial=sum(row["hits"] for row in noted))
    running = deque[tuple[int, Future[_Hits]]]()
    with bar, ThreadPoolExecutor(AT_ONCE) as threads:

        def ask(number: int, place: list[Any] | None) -> None:
            running.append((number, threads.submit(_page, server, begun, number, place)))

        for number in islice(open_slices, AT_ONCE):
            ask(number, after.get(number))
        while running:
            number, page = running.popleft()
            hits = page.result()
            place = hits[-1]["sort"] if len(hits) == PAGE else None
            following = number if place else next(open_slices, None)
            if following is not None:  # is read while the page is worked on
                ask(following, place or after.get(following))
            documents = list(hit_documents(hits, names))
            yield documents
            kept = {"documents": [[each.doc_id, dict(each.fields)] for each in documents]} if keep else {}
            journal.append({"slice": number, "after": place, "hits": len(hits), **kept})
            bar.update(len(hits))
    close_point(server, begun.point)


def kept_documents(journal: Journal) -> Iterator[Document]:
    """Yield the documents of a scan with `keep`, one that an alias shows twice as often."""
    last = max(number for number, row in enumerate(journal.rows()) if "begun" in row)
    for row in islice(journal.rows(), last + 1, None):
        yield from (Document(doc_id, fields) for doc_id, fields in row["documents"])


def _unfinished(
    server: Server, journal: Journal, about: Mapping[str, Any]
) -> tuple[_Begun | None, list[dict[str, Any]]]:
    """The scan that the journal holds and its pages, without documents; None where it is another one or too old."""
    begun, noted = None, list[dict[str, Any]]()
    for row in journal.rows():
        if "begun" in row:
            begun, noted = _Begun(**row["begun"]), []
        else:
            noted.append({name: row[name] for name in ("slice", "after", "hits")})
    if (
        begun is None
        or begun.about != about
        or not server.send("POST", "/_search", {**_pit(begun.point), "size": 0}).ok
    ):
        return None, []
    return begun, noted


def _begin(server: Server, index: str, about: dict[str, Any]) -> _Begun:
    point = open_point(server, index, keep_alive=_KEEP_ALIVE)
    body = {**_pit(point), "size": 0, "track_total_hits": True, "query": about["query"]}
    total = int(server.ask("POST", "/_search", body)["hits"]["total"]["value"])
    return _Begun(about, point, _slices(server, index, about["query"]), total)


def _slices(server: Server, index: str, query: Json) -> list[dict[str, Any]]:
    """Search bodies that have all documents between them, each in an order that tells every two of them apart."""
    if server.name != "opensearch":
        shared = {"query": query, "sort": ["_shard_doc"]}
        return [{**shared, "slice": {"id": number, "max": AT_ONCE}} for number in range(AT_ONCE)]
    # OpenSearch orders documents within a shard alone: no slice may have parts of two.
    shards = Counter(
        group[0]["index"] for group in server.ask("GET", f"/{quote(index, safe=',*')}/_search_shards")["shards"]
    )
    each = max(1, AT_ONCE // max(1, shards.total()))
    return [
        {
            "query": {"bool": {"filter": [query, {"term": {"_index": name}}]}},
            "sort": ["_doc"],
            **({"slice": {"id": number, "max": count * each}} if count * each > 1 else {}),
        }
        for name, count in sorted(shards.items())
        for number in range(count * each)
    ]


def _page(server: Server, begun: _Begun, number: int, after: list[Any] | None) -> _Hits:
    body = {
        **_pit(begun.point),
        **begun.slices[number],
        "_source": source_paths(begun.about["names"]),
        "size": PAGE,
        "track_total_hits": False,
    }
    if after is not None:
        body["search_after"] = after
    hits: _Hits = server.ask("POST", "/_search", body)["hits"]["hits"]
    return hits


def _pit(point: str) -> dict[str, Any]:
    return {"pit": {"id": point, "keep_alive": _KEEP_ALIVE}}
