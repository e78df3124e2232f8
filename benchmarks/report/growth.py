"""The table of how cost grows, and its plot."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.report.markdown import section, table

Figures = dict[str, Any]


def growth(figures: Figures) -> str:
    """CPU time and memory of each verb at each size, and the slope."""
    rows = [
        [
            row["verb"],
            f"{row['n']:,}",
            f"{row['seconds']:.1f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['peak_mb']:,}",
            f"{row['written_mb']:,.0f}",
            f"{figures['slope'][row['verb']]:.2f}",
        ]
        for row in figures["rows"]
    ]
    return section(
        "What each verb costs by the size of its data: synthetic documents, runs and labels, models that cost nothing, "
        "a process a verb. n counts documents (index, ingest, precompute, synthesize), rows of a run (pool, evaluate), "
        "or pairs. The slope is of log CPU time over log n: 1 is in proportion, 2 the square.",
        "\n\n".join((table(["verb", "n", "s", "CPU s", "peak MB", "written MB", "slope"], rows), _plot(figures))),
        figures,
    )


def _plot(figures: Figures) -> str:
    """A chart of log10 CPU seconds over log10 n, a line a verb."""
    sizes = sorted({row["n"] for row in figures["rows"]})
    lines = {verb: [row["cpu_seconds"] for row in figures["rows"] if row["verb"] == verb] for verb in figures["slope"]}
    top = max(max(values) for values in lines.values())
    return "\n".join(
        (
            "```mermaid",
            "xychart-beta",
            f'    title "log10 of CPU milliseconds: {", ".join(lines)}"',
            f"    x-axis [{', '.join(f'{size:,}'.replace(',', ' ') for size in sizes)}]",
            f"    y-axis 0 --> {_log_ms(top) + 0.5:.1f}",
            *(f"    line [{', '.join(f'{_log_ms(each):.2f}' for each in values)}]" for values in lines.values()),
            "```",
        )
    )


def _log_ms(seconds: float) -> float:
    return math.log10(max(seconds * 1000, 1))
