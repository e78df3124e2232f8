"""A comparison as one HTML page that needs no network: what was compared, the gain, the queries, the judge, the cost.

Other rooms import `render` and `write_page`, and `from_run_folder` and `from_runs`, which return `ReportData`.
"""

from __future__ import annotations

from pathlib import Path

from relsearch.core.files.atomic import replace_text
from relsearch.report.data import ReportData as ReportData
from relsearch.report.page import render_page
from relsearch.report.run_folder import from_run_folder as from_run_folder
from relsearch.report.runs import from_runs as from_runs
from relsearch.report.words import headline


def render(source: Path | ReportData) -> str:
    """Return the page of a run folder, or of data that are at hand; raise ArtifactError where the folder is no run."""
    return render_page(from_run_folder(source) if isinstance(source, Path) else source)


def write_page(data: ReportData, path: Path) -> str:
    """Write the page whole and return a line that says where it is and what it says."""
    replace_text(path, render_page(data))
    summary = (
        headline(data.evaluation, data.featured, split=data.split)
        if data.evaluation and data.evaluation.comparisons
        else data.title
    )
    return f"{path}: {summary}"
