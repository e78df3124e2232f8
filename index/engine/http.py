"""A search server seen as JSON requests: what builds a request knows no client, and what sends it knows no request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relsearch.core.errors import SearchEngineError
from relsearch.index.engine.access import permission_advice, without_secrets

Json = Mapping[str, Any]
# What an index that relsearch made searches; elsewhere there is no such field, and it matches nothing.
CONTENTS = "contents"
# The keyword field of an index that relsearch made, which orders equal scores.
DOC_ID = "doc_id"
_SHOWN = 500  # characters of what a server, or its client, said


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and the JSON body that came with it; a body that is no object stands under `body`."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """What the server said went wrong, what caused it, and which credentials to set, on one line."""
        said = without_secrets(_error_text(self.body.get("error", self.body)))
        return said + permission_advice(self.status, said)


Send = Callable[[str, str, Json | None], Reply]


@dataclass(frozen=True, slots=True)
class Server:
    """A running engine: `send` takes method, path and body; `bulk` takes actions and yields (accepted, item)."""

    name: str
    url: str
    send: Send
    bulk: Callable[[Iterable[dict[str, Any]]], Iterator[tuple[bool, Any]]]

    def ask(self, method: str, path: str, body: Json | None = None) -> dict[str, Any]:
        """Return the body of a reply; raise SearchEngineError where the server refuses, or lacks the key looked for."""
        reply = self.send(method, path, body)
        what = f"{self.name} at {self.url}: {method} {path.partition('?')[0]}"
        if not reply.ok:
            raise SearchEngineError(f"{what}: status {reply.status}: {reply.reason}")
        return _Answer(what, reply.body)


class _Answer(dict[str, Any]):
    """A body whose absent keys say which server gave it: it may be none of a search engine."""

    def __init__(self, what: str, body: Mapping[str, Any]) -> None:
        super().__init__(body)
        self._what = what

    def __missing__(self, key: str) -> Any:
        raise SearchEngineError(f"{self._what}: the answer has no {key!r}; is this a search engine?")


def match_body(text: str, paths: Iterable[str]) -> dict[str, Any]:
    """Return the search of a text's words in the fields, and in what relsearch itself indexed.

    It is lenient: words are not looked for in a field of numbers, which engines otherwise refuse.
    """
    return {"query": {"multi_match": {"query": text, "fields": [*paths, CONTENTS], "lenient": True}}}


def _error_text(error: Any) -> str:
    if not isinstance(error, dict) or "reason" not in error:
        return " ".join(json.dumps(error).split())[:_SHOWN]
    reasons: list[str] = []
    while isinstance(error, dict):
        reasons.append(" ".join(str(error.get("reason")).split()))
        error = error.get("caused_by")
    return ": ".join(dict.fromkeys(reasons))[:_SHOWN]


def as_object(body: Any) -> dict[str, Any]:
    """Return a JSON body as an object."""
    return dict(body) if isinstance(body, Mapping) else {"body": body}
