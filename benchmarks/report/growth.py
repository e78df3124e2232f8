"""The tables of how cost grows, and their plot."""

from __future__ import annotations

from typing import Any

from benchmarks.report.growth_plot import growth_svg
from benchmarks.report.markdown import section, table

Figures = dict[str, Any]

_PLOT = "results/growth.svg"  # as benchmarks.data.growth writes it


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
        table(["verb", "n", "s", "CPU s", "peak MB", "written MB", "slope"], rows)
        + f"\n\n![CPU time by size]({_PLOT})",
        figures,
    )


def evaluate(figures: Figures) -> str:
    """Time and memory of evaluating two runs, and whether the values are those of ir-measures."""
    row = [
        f"{figures['queries']:,}",
        f"{figures['rows']:,}",
        f"{figures['input_mb']:,}",
        f"{figures['seconds']:.1f}",
        f"{figures['cpu_seconds']:.1f}",
        f"{figures['peak_mb']:,}",
        f"{figures['values_different']:,} of {figures['values_compared']:,}",
    ]
    return section(
        f"`relsearch evaluate` on two synthetic runs as large as those of MS MARCO's dev set, from its start to its "
        f"end: means, intervals and tests of {', '.join(figures['measures'])}. The last column says how many of the "
        "queries' values are not, to the last digit, those of ir-measures.",
        table(["queries", "rows", "MB", "s", "CPU s", "peak MB", "values that differ"], [row]),
        figures,
    )


def growth_plot(figures: Figures) -> str:
    """Return CPU time over size as SVG, a line a verb."""
    return growth_svg(
        {
            verb: [(row["n"], row["cpu_seconds"]) for row in figures["rows"] if row["verb"] == verb]
            for verb in figures["slope"]
        }
    )
