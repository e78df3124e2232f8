"""Field names that people give, checked against what an index has before anything is searched or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from relsearch.core.errors import FieldsError
from relsearch.core.fields.field_names import field_fault
from relsearch.index.engine.hits import hit_fields, source_paths
from relsearch.index.engine.http import CONTENTS, Json, Server

# Of the engines' types, those whose words a match query finds.
_TEXT_TYPES = frozenset({"text", "match_only_text", "search_as_you_type", "annotated_text", "semantic_text"})
_SAMPLED = 100  # documents that are looked at for fields that no mapping names
_SHOWN_DOCUMENTS = 5  # whose fields an error names


def check_fields(server: Server, index: str, paths: Iterable[str], *, every: bool = True) -> None:
    """Raise FieldsError where an index lacks one of the fields at these paths, or without `every` all of them.

    A field is there where a mapping names it, or one of 100 documents has text at its path, as in an index that
    relsearch made or whose mapping is not dynamic. Raise SearchEngineError where the server refuses.
    """
    wanted = list(paths)
    known = index_fields(server, index)
    absent = [path for path in wanted if path not in known]
    if absent and (every or len(absent) == len(wanted)):
        absent = sorted(set(absent) - _sampled(server, index, absent))
    if absent and (every or len(absent) == len(wanted)):
        raise _error(index, absent, known, _own_names(server, index))


def index_fields(server: Server, index: str) -> dict[str, str]:
    """Return the type of each field that the mappings of an index, an alias or a pattern have, by its path."""
    return field_types(server.ask("GET", f"/{quote(index, safe=',*')}/_field_caps?fields=*"))


def check_searchable(known: Mapping[str, str], index: str, paths: Iterable[str]) -> None:
    """Raise FieldsError where a search of these fields can find no word, since none of them is a text field.

    `known` has the types of the index's fields by their paths, as field_types returns them.
    """
    wanted = list(paths)
    if known.get(CONTENTS) in _TEXT_TYPES or any(known.get(path) in _TEXT_TYPES for path in wanted):
        return
    raise _error(index, wanted, known, ())


def field_types(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the type of each field by its path, from an engine's answer to `_field_caps`; without objects.

    A path of several types in several indices has that of text, if it is one of them.
    """
    found = {}
    for path, types in answer["fields"].items():
        kinds = [kind for kind, about in types.items() if not about.get("metadata_field")]
        if kinds and not path.startswith("_") and not {"object", "nested"} & set(kinds):
            found[path] = next((kind for kind in kinds if kind in _TEXT_TYPES), kinds[0])
    return found


def _sampled(server: Server, index: str, paths: list[str]) -> set[str]:
    """Those of the paths at which one of some documents has text."""
    names = {path: path for path in paths}
    hits = _hits(server, index, {"size": _SAMPLED, "_source": source_paths(names)})
    return {path for hit in hits for path in hit_fields(hit, names)}


def _own_names(server: Server, index: str) -> set[str]:
    """The text fields of some documents: those of an index that relsearch made stand in no mapping."""
    return {name for hit in _hits(server, index, {"size": _SHOWN_DOCUMENTS}) for name in hit_fields(hit)}


def _hits(server: Server, index: str, body: Json) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = server.ask("POST", f"/{quote(index, safe=',*')}/_search", body)["hits"]["hits"]
    return found


def _error(index: str, absent: list[str], known: Mapping[str, str], more: Iterable[str]) -> FieldsError:
    texts = {path for path, kind in known.items() if kind in _TEXT_TYPES} - {CONTENTS} | set(more)
    own = next(iter(sorted(texts)), "body")
    return FieldsError(
        field_fault(f"index {index!r} has", absent, texts or known.keys(), kind="text fields"),
        in_python=f"give their paths, e.g. fields={{'text': {own!r}}}",
        in_shell=f"name them, e.g. --field text={own}",
    )
