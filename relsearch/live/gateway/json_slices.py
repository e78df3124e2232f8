"""JSON taken apart by position in its bytes, so that what is not changed stays exactly what was sent.

Only where values begin and end is looked for, by regular expressions; an edit replaces a slice. So a number of 25
digits, `1e400`, the order of keys and every escape survive whatever is done around them, and nothing is ever done to
a large text as a whole, which would keep the event loop waiting for the interpreter's lock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Text = bytes | bytearray
# Reads the member of a name whose text begins at the first place and its value at the second; returns where that ends.
Visit = Callable[[str, int, int], int]

_SPACE = re.compile(rb"[ \t\n\r]*+")
_TOKEN = re.compile(rb'["{}\[\]]')
_SCALAR = re.compile(rb'[^\s,\]}:"]++')
_QUOTE, _BACKSLASH = b'"'[0], b"\\"[0]
_OPENING = frozenset(b"{[")
_SHORT = 1 << 13
_DECODER = json.JSONDecoder()


class Slice(NamedTuple):
    """Where a value stands in a text: from `start` up to `end`."""

    start: int
    end: int

    def read(self, text: Text) -> bytes:
        """Return the value as it is written."""
        return bytes(text[self.start : self.end])


class Edit(NamedTuple):
    """A slice of a text and what comes in its place."""

    start: int
    end: int
    text: bytes


def end_of(text: Text, at: int) -> int:
    """Return where the value that begins at a place ends; raise ValueError where none does."""
    first = text[at : at + 1]
    if first in (b"{", b"["):
        return _end_of_nested(text, at)
    if first == b'"':
        return _end_of_string(text, at)
    found = _SCALAR.match(text, at)
    if found is None:
        raise ValueError(f"no JSON value at byte {at}")
    return found.end()


def scan(text: Text, at: int) -> tuple[Any, int]:
    """Return the value that begins at a place, and where it ends; raise ValueError where none does."""
    end = end_of(text, at)
    return json.loads(text[at:end]), end


def scan_short(text: Text, at: int) -> tuple[Any, int] | None:
    """Do as `scan` for a value of a few kB, at once and so five times as fast; return None for a longer one."""
    piece = bytes(text[at : at + _SHORT])
    try:
        # A byte a character, whatever the encoding: only so are places in the one places in the other.
        value, length = _DECODER.raw_decode(piece.decode("latin-1"))
        return (value if piece.isascii() else json.loads(piece[:length])), at + length
    except (ValueError, RecursionError):  # it ends past the piece, or is no JSON
        return None


def skip_space(text: Text, at: int) -> int:
    """Return the next place that holds no white space."""
    if text[at : at + 1] > b" ":  # as nearly everywhere
        return at
    found = _SPACE.match(text, at)
    return found.end() if found else at


def visit_object(text: Text, at: int, visit: Visit) -> int:
    """Call `visit(name, member, value)` with the places of each member; return where the object ends.

    `visit` returns where the value ends. Raise ValueError where there is no object.
    """
    at = _opened(text, at, b"{")
    if text[at : at + 1] == b"}":
        return at + 1
    while True:
        member = at
        if text[at : at + 1] != b'"':
            raise ValueError(f"no name of a member at byte {at}")
        end = _end_of_string(text, at)
        name = text[at + 1 : end - 1].decode()
        if "\\" in name:
            name = json.loads(text[at:end])
        at = skip_space(text, end)
        if text[at : at + 1] != b":":
            raise ValueError(f"no colon at byte {at}")
        at = skip_space(text, visit(name, member, skip_space(text, at + 1)))
        if text[at : at + 1] == b"}":
            return at + 1
        at = _after_comma(text, at)


def visit_array(text: Text, at: int, visit: Callable[[int], int]) -> int:
    """Call `visit(place)` at each element of the array at a place, as visit_object does; return where it ends."""
    at = _opened(text, at, b"[")
    if text[at : at + 1] == b"]":
        return at + 1
    while True:
        at = skip_space(text, visit(at))
        if text[at : at + 1] == b"]":
            return at + 1
        at = _after_comma(text, at)


def edited(text: Text, edits: Iterable[Edit], *, span: Slice | None = None) -> bytes:
    """Return a text, or a slice of it, with its edits, which do not overlap and lie inside."""
    start, end = span or Slice(0, len(text))
    pieces: list[Text] = []
    for edit in sorted(edits):
        pieces += [text[start : edit.start], edit.text]
        start = edit.end
    return b"".join([*pieces, text[start:end]])


def with_members(text: str, changes: Mapping[str, str | None]) -> str:
    """Return an object's text with members set to JSON texts, or taken out where that is None; the others stay."""
    kept: list[bytes] = []
    whole = text.encode("utf-8")

    def visit(name: str, member: int, value: int) -> int:
        end = end_of(whole, value)
        if name not in changes:
            kept.append(whole[member:end])
        return end

    visit_object(whole, skip_space(whole, 0), visit)
    set_anew = [f"{json.dumps(name)}:{value}".encode() for name, value in changes.items() if value is not None]
    return (b"{" + b",".join([*kept, *set_anew]) + b"}").decode("utf-8")


def member(text: str, name: str) -> str:
    """Return the text of the last member of a name of an object; raise ValueError where it has none."""
    whole = text.encode("utf-8")
    found: list[bytes] = []

    def visit(each: str, _: int, value: int) -> int:
        end = end_of(whole, value)
        if each == name:
            found.append(whole[value:end])
        return end

    visit_object(whole, skip_space(whole, 0), visit)
    if not found:
        raise ValueError(f"no member {name!r}")
    return found[-1].decode("utf-8")


def _end_of_nested(text: Text, at: int) -> int:
    depth, place = 0, at
    while token := _TOKEN.search(text, place):
        place = token.end()
        first = text[token.start()]
        if first == _QUOTE:
            place = _end_of_string(text, token.start())
            continue
        depth += 1 if first in _OPENING else -1
        if depth == 0:
            return place
    raise ValueError(f"the value at byte {at} has no end")


def _end_of_string(text: Text, at: int) -> int:
    """Where a string ends: at the first quote that an even number of backslashes stands before."""
    place = at
    while (place := text.find(b'"', place + 1)) >= 0:
        before = place - 1
        while text[before] == _BACKSLASH:
            before -= 1
        if (place - before) % 2:
            return place + 1
    raise ValueError(f"the string at byte {at} has no end")


def _opened(text: Text, at: int, bracket: bytes) -> int:
    if text[at : at + 1] != bracket:
        raise ValueError(f"no {bracket.decode()} at byte {at}")
    return skip_space(text, at + 1)


def _after_comma(text: Text, at: int) -> int:
    if text[at : at + 1] != b",":
        raise ValueError(f"no comma at byte {at}")
    return skip_space(text, at + 1)
