"""relsearch.Report: a comparison as one page, in a file, a browser or a notebook."""

from __future__ import annotations

import html
import sys
import tempfile
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path

from relsearch.api.measuring import named_runs
from relsearch.core.measures import parse_measures
from relsearch.core.types import StrPath
from relsearch.data.collection import Collection
from relsearch.data.frames import LabelsLike, RunLike
from relsearch.report import ReportData, from_run_folder, from_runs, render, write_page
from relsearch.report.page import check_page

_HEIGHT_PX = 720


class Report:
    """What a run folder or a comparison of runs comes to, as one HTML page that needs no network.

    In a notebook the last line `report` shows it; `show()` does so anywhere.
    """

    def __init__(self, folder: StrPath) -> None:
        """Read a folder that `relsearch run` or `Pipeline.run` wrote; raise ArtifactError where it is none."""
        self._data: ReportData = from_run_folder(Path(folder))
        self._inputs: tuple[Path, ...] = ()

    @classmethod
    def of_runs(
        cls,
        qrels: LabelsLike,
        runs: Mapping[str, RunLike] | Sequence[StrPath],
        *,
        collection: StrPath | Collection | None = None,
        judgments: LabelsLike | None = None,
        measures: Sequence[str] = (),
        baseline: str | None = None,
        scale: str | None = None,
        judge_labels: bool = False,
        resamples: int = 2000,
        seed: int = 13,
        command: str = "",
    ) -> Report:
        """Compare runs as `relsearch.evaluate` does, given the same way; the last that is no baseline is featured.

        Texts come from `collection`: a folder, `demo`, `ir_datasets:ID` or one in memory. `judgments` are a judge's
        labels, to compare with the qrels. `command` is shown as the one that made the page. Raise the errors of
        `relsearch.evaluate`.
        """
        names = [measures] if isinstance(measures, str) else list(measures)
        parse_measures(names)
        named: Mapping[str, RunLike] = runs if isinstance(runs, Mapping) else named_runs(runs)
        report = cls.__new__(cls)
        report._data = from_runs(
            qrels,
            named,
            collection=collection,
            judgments=judgments,
            measures=names,
            baseline=baseline,
            scale=scale,
            judge_labels=judge_labels,
            resamples=resamples,
            seed=seed,
            command=command,
        )
        inputs = (qrels, *named.values(), judgments)
        report._inputs = tuple(Path(each) for each in inputs if isinstance(each, str | Path))
        return report

    def to_html(self) -> str:
        """Return the page."""
        return render(self._data)

    def save(self, path: StrPath, *, force: bool = False) -> str:
        """Write the page and return a line that says where it is and what it says.

        Raise DataError where `path` is an input, or a file that is no report, unless `force`.
        """
        check_page(Path(path), inputs=self._inputs, force=force)
        return write_page(self._data, Path(path))

    def show(self) -> None:
        """Show the page: in the notebook where this is called from one, else in the browser."""
        if (ipython := sys.modules.get("IPython")) and ipython.get_ipython():
            ipython.display.display(self)
            return
        path = Path(tempfile.mkdtemp(prefix="relsearch-")) / "report.html"
        self.save(path)
        webbrowser.open(path.as_uri())

    def _repr_html_(self) -> str:
        """The page in a frame of its own, whose script cannot reach the notebook."""
        page = html.escape(self.to_html())
        return f'<iframe srcdoc="{page}" sandbox="allow-scripts" width="100%" height="{_HEIGHT_PX}"></iframe>'
