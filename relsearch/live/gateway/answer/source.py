"""`_source` filtering as the engines do it, so that a client sees only what it asked for though more was fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Which paths of `_source` the client wants; `*` stands for any characters, dots as well."""

    wanted: bool = True
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is taken away."""
        return self.wanted and not self.includes and not self.excludes

    def with_paths(self, paths: Iterable[str]) -> object:
        """Return the `_source` to ask the engine for: what the client wants and these paths."""
        if not self.wanted:
            return sorted(set(paths))
        return sorted({*self.includes, *paths}) if self.includes else True

    def apply(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of the document that the client asked for."""
        return _filter(source, "", self._compiled(), included=not self.includes)

    def _compiled(self) -> _Patterns:
        return _Patterns(
            [_pattern(path) for path in self.includes],
            [_pattern(path) for path in self.excludes],
            self.includes,
        )


def source_filter(value: object) -> SourceFilter:
    """Read a body's `_source`: absent, true, false, a path, paths, or includes and excludes."""
    if value is None or value is True:
        return SourceFilter()
    if value is False:
        return SourceFilter(wanted=False)
    if isinstance(value, dict):
        includes = value.get("includes", value.get("include"))
        excludes = value.get("excludes", value.get("exclude"))
        return SourceFilter(includes=_paths(includes), excludes=_paths(excludes))
    return SourceFilter(includes=_paths(value))


def _paths(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(path) for path in value) if isinstance(value, list | tuple) else (str(value),)


@dataclass(frozen=True, slots=True)
class _Patterns:
    includes: Sequence[re.Pattern[str]]
    excludes: Sequence[re.Pattern[str]]
    raw_includes: Sequence[str]

    def included(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for pattern in self.includes)

    def excluded(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for pattern in self.excludes)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in path.split("*")), re.DOTALL)


def _filter(node: Mapping[str, Any], prefix: str, patterns: _Patterns, *, included: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in node.items():
        path = f"{prefix}{name}"
        if patterns.excluded(path):
            continue
        inside = included or patterns.included(path)
        found, value = _value(value, path, patterns, included=inside)
        if found:
            kept[name] = value
    return kept


def _value(value: Any, path: str, patterns: _Patterns, *, included: bool) -> tuple[bool, Any]:
    """Whether anything of the value is kept, and what."""
    if isinstance(value, dict):
        part = _filter(value, f"{path}.", patterns, included=included)
        return bool(part) or included, part
    if isinstance(value, list):
        parts = [_value(item, path, patterns, included=included) for item in value]
        kept = [part for found, part in parts if found]
        return bool(kept) or included, kept
    return included, value
