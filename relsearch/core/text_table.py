"""Plain text tables for people: aligned columns, at most 80 characters wide."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH = 80
_GAP = "  "


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as text; columns of numbers are right-aligned, the last column is cut at 80 characters."""
    cells = [list(headers), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    numeric = [bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(len(headers))]
    return "\n".join(_line(row, widths, numeric) for row in [cells[0], ["-" * width for width in widths], *cells[1:]])


def number(value: float | None, spec: str = ".3f") -> str:
    """Return a figure as text; "-" where it is not defined (None or nan)."""
    return "-" if value is None or math.isnan(value) else format(value, spec)


def interval(low: float, high: float, spec: str = ".3f") -> str:
    """Return an interval as text; "-" where an end is not defined."""
    return "-" if math.isnan(low) or math.isnan(high) else f"{low:{spec}} - {high:{spec}}"


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(row, widths, numeric, strict=True)
    ]
    return _GAP.join(parts).rstrip()[:WIDTH]


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-").replace(".", "", 1).replace("%", "").isdigit() or cell in ("-", "nan")
