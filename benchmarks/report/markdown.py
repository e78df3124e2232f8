"""What the Markdown tables of results are put together of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def section(about: str, body: str, figures: dict[str, Any]) -> str:
    """Return a paragraph, a table, and the command and date of the figures."""
    return f"\n{about}\n\n{body}\n\nMeasured by `{figures['command']}` on {figures['date']}.\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def p_text(p: float) -> str:
    """Return `p 0.012`, or `p < 0.001`."""
    return f"p {p:.3f}" if p >= 0.001 else "p < 0.001"


def interval(value: dict[str, Any], *, mean: str = "mean") -> str:
    """Return a figure and its confidence interval."""
    return f"{value[mean]:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def difference(test: dict[str, Any]) -> str:
    """Return the difference of a paired test, and its p."""
    return f"{test['difference']:+.3f} ({p_text(test['p_holm']).removeprefix('p ')})"
