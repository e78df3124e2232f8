"""JSON text taken apart by position, so that what is not changed stays the very bytes that were sent.

A value is located by the standard library's scanner, in C; an edit replaces a slice of the text. So a number of 25
digits, `1e400`, the order of keys and every escape survive whatever is done around them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

# Reads the member of a name whose text begins at the first place and its value at the second; returns where that ends.
Visit = Callable[[str, int, int], int]

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Slice(NamedTuple):
    """Where a value stands in a text: from `start` up to `end`."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the value as it is written."""
        return text[self.start : self.end]


class Edit(NamedTuple):
    """A slice of a text and what comes in its place."""

    start: int
    end: int
    text: str


def scan(text: str, at: int) -> tuple[Any, int]:
    """Return the value that begins at a place, and where it ends; raise ValueError where none does."""
    return _DECODER.raw_decode(text, at)


def skip_space(text: str, at: int) -> int:
    """Return the next place that holds no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def visit_object(text: str, at: int, visit: Visit) -> int:
    """Call `visit(name, member, value)` with the places of each member; return where the object ends.

    `visit` returns where the value ends. Raise ValueError where there is no object.
    """
    at = _opened(text, at, "{")
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        member = at
        name, at = scan(text, at)
        at = skip_space(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            raise ValueError(f"no name of a member before character {at}")
        at = skip_space(text, visit(name, member, skip_space(text, at + 1)))
        if text[at : at + 1] == "}":
            return at + 1
        at = _after_comma(text, at)


def visit_array(text: str, at: int, visit: Callable[[int], int]) -> int:
    """Call `visit(place)` at each element of the array at a place, as visit_object does; return where it ends."""
    at = _opened(text, at, "[")
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = skip_space(text, visit(at))
        if text[at : at + 1] == "]":
            return at + 1
        at = _after_comma(text, at)


def members(text: str, at: int = 0) -> dict[str, Slice]:
    """Return where each member's value of the object at a place stands; of a name that is there twice, the last."""
    found: dict[str, Slice] = {}

    def visit(name: str, _: int, start: int) -> int:
        end = scan(text, start)[1]
        found[name] = Slice(start, end)
        return end

    visit_object(text, skip_space(text, at), visit)
    return found


def edited(text: str, edits: Iterable[Edit], *, span: Slice | None = None) -> str:
    """Return a text, or a slice of it, with its edits, which do not overlap and lie inside."""
    start, end = span or Slice(0, len(text))
    pieces = []
    for edit in sorted(edits):
        pieces += [text[start : edit.start], edit.text]
        start = edit.end
    return "".join([*pieces, text[start:end]])


def with_members(text: str, changes: Mapping[str, str | None]) -> str:
    """Return an object's text with members set to JSON texts, or taken out where that is None; the others stay."""
    kept: list[str] = []
    begin = text.index("{")

    def visit(name: str, member: int, start: int) -> int:
        end = scan(text, start)[1]
        if name not in changes:
            kept.append(text[member:end])
        return end

    visit_object(text, begin, visit)
    set_anew = [f"{json.dumps(name)}:{value}" for name, value in changes.items() if value is not None]
    return "{" + ",".join([*kept, *set_anew]) + "}"


def _opened(text: str, at: int, bracket: str) -> int:
    if text[at : at + 1] != bracket:
        raise ValueError(f"no {bracket} at character {at}")
    return skip_space(text, at + 1)


def _after_comma(text: str, at: int) -> int:
    if text[at : at + 1] != ",":
        raise ValueError(f"no comma at character {at}")
    return skip_space(text, at + 1)
