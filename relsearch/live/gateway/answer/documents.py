"""The text of a hit that the reranker reads, from its `_source`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from relsearch.core.template import render, template_fields

# White space is collapsed after a field is cut: so much more is taken of it, that what is left still fills the model.
_SPARE = 4


def source_paths(template: str, fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths of `_source` that fill the template."""
    return tuple(fields.get(name, name) for name in template_fields(template))


def hit_text(source: Mapping[str, Any], template: str, fields: Mapping[str, str], *, most: int) -> str:
    """Fill the template from a hit's source, up to `most` characters; lists are joined by spaces.

    Absent fields are empty. A field is cut before anything else is done with it.
    """
    names = template_fields(template)
    values = {name: _text(_at(source, fields.get(name, name)), _SPARE * most) for name in names}
    return render(values, template)[:most]


def _at(node: Any, path: str) -> Any:
    """The value at a dotted path; keys may hold dots themselves, and lists are looked into."""
    if isinstance(node, list):
        return [_at(item, path) for item in node]
    if not isinstance(node, dict):
        return None
    if path in node:
        return node[path]
    head, dot, rest = path.partition(".")
    return _at(node.get(head), rest) if dot else None


def _text(value: Any, most: int) -> str:
    parts: list[str] = []
    left = most
    for text in _leaves(value):
        if left <= 0:
            break
        parts.append(text[:left])
        left -= len(text) + 1
    return " ".join(parts)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif not (value is None or isinstance(value, dict | bool)):
        yield str(value)
