"""Numbers in sentences."""

from __future__ import annotations


def counted(value: int, noun: str) -> str:
    """Return a number with its noun, in the plural but for one."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{value:,} {noun if value == 1 else plural}"
