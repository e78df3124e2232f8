"""`_source` filtering as the engines do it, so that a client sees only what it asked for though more was fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from relsearch.live.gateway.json_slices import Text, end_of, visit_array, visit_object

_SIDES = frozenset({"include", "includes", "exclude", "excludes"})
# What requests may give: each path is compiled, and matched with each member of each hit.
_MOST_PATHS, _MOST_CHARACTERS = 200, 10_000


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Which paths of `_source` the client wants; `*` stands for any characters, dots as well.

    A path also names what is below it, whether in an object or in a key that holds dots.
    """

    wanted: bool = True
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)  # further keys of the filter, such as exclude_vectors

    @property
    def is_long(self) -> bool:
        """Whether matching it would take too long."""
        paths = (*self.includes, *self.excludes)
        return len(paths) > _MOST_PATHS or sum(map(len, paths)) > _MOST_CHARACTERS

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is taken away."""
        return self.wanted and not self.includes and not self.excludes

    def with_paths(self, paths: Iterable[str]) -> object:
        """Return the `_source` to ask the engine for: what the client wants and these paths."""
        includes = sorted({*self.includes, *paths}) if self.includes or not self.wanted else []
        if self.others:
            return {**self.others, **({"includes": includes} if includes else {})}
        return includes or True

    def apply(self, text: Text, at: int = 0) -> bytes:
        """Return the part of the document at a place of a JSON text that the client asked for, as it is written."""
        patterns = _Patterns(_pattern(self.includes), _pattern(self.excludes))
        pieces, _ = _members(text, at, "", patterns, included=not self.includes)
        return b"{" + b",".join(pieces) + b"}"


def source_filter(value: object) -> SourceFilter:
    """Read a body's `_source`: absent, true, false, a path, paths, or includes and excludes."""
    if value is None or value is True:
        return SourceFilter()
    if value is False:
        return SourceFilter(wanted=False)
    if isinstance(value, dict):
        includes = value.get("includes", value.get("include"))
        excludes = value.get("excludes", value.get("exclude"))
        others = {name: each for name, each in value.items() if name not in _SIDES}
        return SourceFilter(includes=_paths(includes), excludes=_paths(excludes), others=others)
    return SourceFilter(includes=_paths(value))


def _paths(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(path) for path in value) if isinstance(value, list | tuple) else (str(value),)


@dataclass(frozen=True, slots=True)
class _Patterns:
    includes: re.Pattern[str]
    excludes: re.Pattern[str]

    def included(self, path: str) -> bool:
        return self.includes.fullmatch(path) is not None

    def excluded(self, path: str) -> bool:
        return self.excludes.fullmatch(path) is not None


@lru_cache(maxsize=64)  # asked for with each hit of a page
def _pattern(paths: tuple[str, ...]) -> re.Pattern[str]:
    """What matches any of the paths, and what is below it; nothing where there is none."""
    any_of = "|".join(map(_expression, paths)) if paths else "(?!)"
    return re.compile(rf"(?:{any_of})(?:\..*)?", re.DOTALL)


def _expression(path: str) -> str:
    first, *others = map(re.escape, path.split("*"))
    # A part is taken where it first stands: trying every place takes a time that grows exponentially with the stars.
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return f"{first}{between}{last}"


def _members(text: Text, at: int, prefix: str, patterns: _Patterns, *, included: bool) -> tuple[list[bytes], int]:
    """The members of an object that are kept, as they are written, and where the object ends."""
    kept: list[bytes] = []

    def visit(name: str, member: int, value: int) -> int:
        path = f"{prefix}{name}"
        if patterns.excluded(path):
            return end_of(text, value)
        found, piece, end = _value(text, value, path, patterns, included=included or patterns.included(path))
        if found:
            kept.append(bytes(text[member:value]) + piece)
        return end

    return kept, visit_object(text, at, visit)


def _value(text: Text, at: int, path: str, patterns: _Patterns, *, included: bool) -> tuple[bool, bytes, int]:
    """Whether anything of the value is kept, what, and where the value ends."""
    if text[at : at + 1] == b"{":
        pieces, end = _members(text, at, f"{path}.", patterns, included=included)
        return bool(pieces) or included, b"{" + b",".join(pieces) + b"}", end
    if text[at : at + 1] == b"[":
        pieces, end = _elements(text, at, path, patterns, included=included)
        return bool(pieces) or included, b"[" + b",".join(pieces) + b"]", end
    end = end_of(text, at)
    return included, bytes(text[at:end]), end


def _elements(text: Text, at: int, path: str, patterns: _Patterns, *, included: bool) -> tuple[list[bytes], int]:
    kept: list[bytes] = []

    def visit(element: int) -> int:
        found, piece, end = _value(text, element, path, patterns, included=included)
        if found:
            kept.append(piece)
        return end

    return kept, visit_array(text, at, visit)
