"""The table of the ready reranker's calibration."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import section, table


def calibration(figures: dict[str, Any]) -> str:
    """P(relevant) against what people said, with the calibration of the export and with the one that ships."""
    rows = [
        [
            f"{name}{', fitted on it' if name == figures['fitted_on'] else ''}",
            str(figures["queries"][name]),
            "ships" if kind == "fitted" else "the export's",
            *(f"{each[key]:.3f}" for key in ("log_loss", "error")),
            f"{each['mean_p']:.3f} ({each['share']:.3f})",
            f"{each['best_p']:.2f} ({each['best_share']:.2f})",
        ]
        for name, of_kind in figures["collections"].items()
        for kind, each in of_kind.items()
    ]
    head = ["collection", "queries", "calibration", "log loss", "calibration error", "mean P (relevant)"]
    return section(
        "P(relevant) of BM25's top 100 as the ready reranker scores them, and in brackets the share that people found "
        "relevant; of all judged candidates, and of each query's best one.",
        table([*head, "P of the best (relevant)"], rows),
        figures,
    )
