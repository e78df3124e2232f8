"""Plain text tables for people: aligned columns, at most 80 characters wide unless nothing may be cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH = 80
_GAP = "  "


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = WIDTH) -> str:
    """Return the table as text; columns of numbers are right-aligned, lines are cut at `width`, None for never."""
    cells = [list(headers), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    numeric = [bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(len(headers))]
    ruled = [cells[0], ["-" * wide for wide in widths], *cells[1:]]
    return "\n".join(_line(row, widths, numeric)[:width] for row in ruled)


def number(value: float | None, spec: str = ".3f") -> str:
    """Return a figure as text; "-" where it is not defined (None or nan)."""
    return "-" if value is None or math.isnan(value) else format(value, spec)


def p_value(value: float) -> str:
    """Return a p value as text: three decimals, "< 0.001" below, "-" where it is not defined."""
    return "< 0.001" if value < 0.001 else number(value)


def shortened(names: Sequence[str], width: int) -> list[str]:
    """Return the names, those longer than `width` cut in their middle; they stay as they are where two would be one."""
    tail = width // 2
    cut = [name if len(name) <= width else f"{name[: width - tail - 1]}…{name[-tail:]}" for name in names]
    return cut if len(set(cut)) == len(set(names)) else list(names)


def interval(low: float, high: float, spec: str = ".3f") -> str:
    """Return an interval as text; "-" where an end is not defined."""
    return "-" if math.isnan(low) or math.isnan(high) else f"{low:{spec}} - {high:{spec}}"


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(row, widths, numeric, strict=True)
    ]
    return _GAP.join(parts).rstrip()


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-< ").replace(".", "", 1).replace("%", "").isdigit() or cell in ("-", "nan")
