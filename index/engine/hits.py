"""The text and the score of a document as a search engine returns it: the one reader of hits and their `_source`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from relsearch.core.errors import ConfigError
from relsearch.core.fields.field_texts import path_text, text_of
from relsearch.core.fields.template import render, template_fields
from relsearch.core.types import Document
from relsearch.index.engine.http import CONTENTS, DOC_ID

# The object in which an index that relsearch made keeps a document's own fields, beside its id and the searched text.
OWN_FIELDS = "fields"
_OWN_KEYS = frozenset({DOC_ID, CONTENTS, OWN_FIELDS})


def hit_fields(
    hit: Mapping[str, Any], names: Mapping[str, str] | None = None, *, most: int | None = None
) -> dict[str, str]:
    """Return a hit's non-empty text fields by name.

    `names` gives each field's path in the documents, dotted where objects nest; lists of objects and nested fields are
    looked into. Without `names` every top-level value that is text, a number or a list of texts is a field. Values come
    from `_source`, and from the hit's `fields` (what a search's `fields` or `stored_fields` asked for) where `_source`
    lacks them. Documents that relsearch indexed are read from their own fields first. A field of several values has
    those with which it has `most` characters.
    """
    source, answered = _object(hit.get("_source")), _object(hit.get("fields"))
    own = _own_fields(source)
    if names is None:
        top = {name: text_of(value) or "" for name, value in (source if own is None else own).items()}
        texts = {name: path_text(answered, name) for name in answered} | top
    else:
        places = [source, answered] if own is None else [own, source, answered]
        texts = {name: _first_text(places, path, most) for name, path in names.items()}
    return {name: text for name, text in texts.items() if text}


def hit_text(hit: Mapping[str, Any], template: str, paths: Mapping[str, str]) -> str:
    """Return the text of a hit that a reranker with this template reads; "" where the hit has none of its fields.

    `paths` gives the path of a template field where it is not the field's name.
    """
    return render(hit_fields(hit, template_paths(template, paths)), template)


def template_paths(template: str, paths: Mapping[str, str]) -> dict[str, str]:
    """Return the path of each field of the template: what `paths` says, else the field's name."""
    return {name: paths.get(name, name) for name in template_fields(template)}


def source_paths(names: Mapping[str, str]) -> list[str]:
    """Return the `_source` to ask an engine for, so that hit_fields finds these fields in its hits."""
    paths = set(names.values())
    return sorted({*paths, *(f"{OWN_FIELDS}.{path}" for path in paths), DOC_ID})


def hit_documents(hits: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> Iterator[Document]:
    """Yield the documents of those hits that have text; `names` as hit_fields takes it."""
    for hit in hits:
        if fields := hit_fields(hit, names):
            yield Document(hit["_id"], fields)


def no_text_error(hits: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None, advice: str) -> ConfigError:
    """Return the error for hits none of which has text in the fields; it says where `_source` is not there at all.

    `advice` says how the caller names fields.
    """
    if not any(hit.get("_source") or hit.get("fields") for hit in hits):
        return ConfigError(
            "the hits have no _source: it is disabled in the index's mapping, or switched off in the search; "
            "enable it, since a reranker reads the documents' text"
        )
    where = ", ".join(names.values()) if names else "any field"
    return ConfigError(f"the hits have no text in {where}; {advice}")


def engine_scores(hits: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the hits' own scores, 0 where the engine gave none (a search that is sorted by a field)."""
    return [float(hit.get("_score") or 0.0) for hit in hits]


def _own_fields(source: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The own fields of a document that relsearch indexed; None for any other document, whatever its keys."""
    own = source.get(OWN_FIELDS)
    return own if isinstance(own, Mapping) and DOC_ID in source and source.keys() <= _OWN_KEYS else None


def _first_text(places: Iterable[Mapping[str, Any]], path: str, most: int | None) -> str:
    return next((text for place in places if (text := path_text(place, path, most=most))), "")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
