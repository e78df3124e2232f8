"""The text fields and the score of a document as a search engine returns it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from relsearch.core.types import Document
from relsearch.index.engine.http import DOC_ID


def source_fields(source: Mapping[str, Any], names: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a hit's non-empty text fields by name.

    `names` gives each field's path in the source, dotted where objects nest; without it every top-level value
    that is text, a number or a list of them is a field. An index that relsearch made keeps a document's own
    fields in an object called `fields`, beside its id; that is looked into first.
    """
    kept = source.get("fields")
    inner = kept if isinstance(kept, Mapping) and DOC_ID in source else source
    if names is None:
        found = {name: _text(value) for name, value in inner.items()}
    else:
        found = {name: _text(_at(inner, path)) or _text(_at(source, path)) for name, path in names.items()}
    return {name: text for name, text in found.items() if text}


def hit_documents(hits: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> Iterator[Document]:
    """Yield the documents of those hits that have text; `names` as source_fields takes it."""
    for hit in hits:
        if fields := source_fields(hit.get("_source", {}), names):
            yield Document(hit["_id"], fields)


def engine_scores(hits: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the hits' own scores, 0 where the engine gave none (a search that is sorted by a field)."""
    return [float(hit.get("_score") or 0.0) for hit in hits]


def _at(source: Mapping[str, Any], path: str) -> Any:
    if path in source:
        return source[path]
    head, dot, rest = path.partition(".")
    inner = source.get(head)
    return _at(inner, rest) if dot and isinstance(inner, Mapping) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(text for text in map(_text, value) if text)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
