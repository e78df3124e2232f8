"""The words that a search is for, found in its query.

The distinct texts of the clauses that the rules name, in the order of the body, joined by a space. `filter`,
`must_not` and `negative` narrow a search down and say nothing of what it is for, so they are not looked into.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

_NOT_ABOUT = frozenset({"filter", "must_not", "negative"})
_WITHOUT_FIELD = frozenset({"multi_match", "combined_fields", "query_string", "simple_query_string"})


def query_text(query: object, clauses: Collection[str]) -> str:
    """Return the query's words, or an empty string where no clause holds any."""
    return " ".join(dict.fromkeys(text for text in _texts(query, clauses) if text.strip()))


def _texts(node: object, clauses: Collection[str]) -> Iterator[str]:
    if isinstance(node, list):
        for child in node:
            yield from _texts(child, clauses)
    if not isinstance(node, dict):
        return
    for name, child in node.items():
        if name in clauses:
            yield from _clause_texts(name, child)
        elif name not in _NOT_ABOUT:
            yield from _texts(child, clauses)


def _clause_texts(name: str, clause: Any) -> Iterator[str]:
    if not isinstance(clause, dict):
        return
    # {"multi_match": {"query": …}} against {"match": {FIELD: …}} and {"match": {FIELD: {"query": …}}}
    for value in [clause] if name in _WITHOUT_FIELD else clause.values():
        text = value.get("query") if isinstance(value, dict) else value
        if isinstance(text, str):
            yield text
