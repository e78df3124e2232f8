"""The text of a hit that the reranker reads, from its `_source`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relsearch.core.template import render, template_fields


def source_paths(template: str, fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths of `_source` that fill the template."""
    return tuple(fields.get(name, name) for name in template_fields(template))


def hit_text(source: Mapping[str, Any], template: str, fields: Mapping[str, str]) -> str:
    """Fill the template from a hit's source; lists are joined by spaces, absent fields are empty."""
    values = {name: _text(_at(source, fields.get(name, name))) for name in template_fields(template)}
    return render(values, template)


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


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(text for text in map(_text, value) if text)
    return "" if value is None or isinstance(value, dict | bool) else str(value)
