"""Load documents into a search server: bounded memory, waits while the server is busy, goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from relsearch.core.errors import SearchEngineError
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document
from relsearch.index.engine import rest
from relsearch.index.engine.http import Server

_LOOKED_UP_AT_ONCE = 500
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many documents were written, and how many stood there already."""

    written: int
    present: int


def ingest(
    documents: Iterable[Document], server: Server, *, index: IndexConfig, template: str, replace: bool = False
) -> Loaded:
    """Create the index and fill it; where an earlier call was interrupted, write only what is absent.

    Documents are told apart by their ids alone: one whose text changed since is written anew only with `replace`,
    which starts from an empty index. Raise SearchEngineError where the index was not made by relsearch, or was
    made with another language, k1, b or template.
    """
    path = f"/{quote(index.name, safe='')}"
    resumed = _open_or_create(server, path, index, template, replace=replace)
    absent = _Absent(documents, server, path) if resumed else documents
    actions = rest.bulk_actions(absent, index.name, template, op_type="create")
    written = rest.count_progress(server.bulk(actions), index.name)
    server.ask("PUT", f"{path}/_settings", {"index": {"refresh_interval": None}})
    server.ask("POST", f"{path}/_refresh")
    return Loaded(written, absent.present if isinstance(absent, _Absent) else 0)


def ingest_body(index: IndexConfig, template: str) -> dict[str, Any]:
    """Return what creates the index: its language's analyzer, k1 and b; searches see it once it is filled."""
    body = rest.index_body(index)
    body["mappings"]["_meta"] = {**body["mappings"]["_meta"], "made_with": _settings(index, template)}
    body["settings"]["refresh_interval"] = "-1"  # nobody searches a half-filled index, and loading is quicker
    return body


def _settings(index: IndexConfig, template: str) -> dict[str, Any]:
    return {"language": index.language, "k1": index.k1, "b": index.b, "template": template}


def _open_or_create(server: Server, path: str, index: IndexConfig, template: str, *, replace: bool) -> bool:
    """Return whether the index stood there already."""
    found = server.send("GET", f"{path}/_mapping", None)
    if found.ok:
        rest.check_replaceable(found.body, index.name)
        if not replace:
            _check_settings(found.body, index, template)
            return True
        server.ask("DELETE", path)
    elif found.status != _NOT_FOUND:
        raise SearchEngineError(f"{server.name} at {server.url}: status {found.status}: {found.reason}")
    server.ask("PUT", path, ingest_body(index, template))
    return False


def _check_settings(mapping: dict[str, Any], index: IndexConfig, template: str) -> None:
    wanted = _settings(index, template)
    for each in mapping.values():
        made_with = each["mappings"]["_meta"].get("made_with", {})
        for name, value in wanted.items():
            if made_with.get(name) != value:
                raise SearchEngineError(
                    f"index {index.name!r} was made with {name} {made_with.get(name)!r}, not {value!r}; "
                    "give the same to go on, or --replace to start anew"
                )


class _Absent:
    """The documents whose ids the index does not hold; `present` counts the others."""

    def __init__(self, documents: Iterable[Document], server: Server, path: str) -> None:
        self.present = 0
        self._documents = iter(documents)
        self._server = server
        self._path = path

    def __iter__(self) -> Iterator[Document]:
        while batch := list(islice(self._documents, _LOOKED_UP_AT_ONCE)):
            ids = [document.doc_id for document in batch]
            # A get by id, unlike a search, sees what was written before the refresh.
            answer = self._server.ask("POST", f"{self._path}/_mget?_source=false", {"ids": ids})
            held = {each["_id"] for each in answer["docs"] if each.get("found")}
            self.present += len(held)
            yield from (document for document in batch if document.doc_id not in held)
