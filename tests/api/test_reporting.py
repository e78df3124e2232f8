"""relsearch.Report is the page that the verb writes, in a notebook and in a browser too."""

from __future__ import annotations

import html
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

import relsearch
from relsearch.core.errors import ArtifactError, DataError
from tests.command import relsearch as run_relsearch


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Qrels and two runs."""
    (tmp_path / "qrels.tsv").write_text("q1 0 a 2\nq1 0 b 0\nq2 0 a 0\nq2 0 b 3\n", "utf-8")
    for name, run in {"first": "ba ab", "second": "ab ba"}.items():
        lines = [
            f"q{q} Q0 {doc} {r} {9 - r} x\n" for q, order in enumerate(run.split(), 1) for r, doc in enumerate(order, 1)
        ]
        (tmp_path / f"{name}.trec").write_text("".join(lines), "utf-8")
    return tmp_path


@pytest.fixture
def report(files: Path) -> relsearch.Report:
    """Their report."""
    return relsearch.Report.of_runs(files / "qrels.tsv", [files / "first.trec", files / "second.trec"], resamples=200)


def test_the_page_is_the_verb_s(files: Path, report: relsearch.Report) -> None:
    """All but the command that made it."""
    inputs = [str(files / name) for name in ("qrels.tsv", "first.trec", "second.trec")]
    run_relsearch("report", *inputs, "-o", str(files / "page.html"), "--resamples", "200")
    page = (files / "page.html").read_text("utf-8")
    assert [line for line in report.to_html().splitlines() if line not in page.splitlines()] == []


def test_frames_and_dicts_make_the_page_of_their_files(files: Path, report: relsearch.Report) -> None:
    """All but the files' names and checksums."""
    qrels = {"q1": {"a": 2, "b": 0}, "q2": {"a": 0, "b": 3}}
    first, second = {"q1": {"b": 8.0, "a": 7.0}, "q2": {"a": 8.0, "b": 7.0}}, files / "second.trec"
    made = relsearch.Report.of_runs(qrels, {"first": first, "second": str(second)}, measures=(), resamples=200)
    assert [line for line in made.to_html().splitlines() if line not in report.to_html().splitlines()] == []
    with pytest.raises(DataError, match="second"):
        made.save(second, force=True)


def test_no_labels_are_refused(files: Path) -> None:
    """As by `evaluate`."""
    with pytest.raises(DataError, match="nothing to evaluate"):
        relsearch.Report.of_runs({}, [files / "first.trec"])


def test_a_notebook_shows_it_in_a_frame(report: relsearch.Report) -> None:
    """The page's script runs there, and cannot reach the notebook."""
    shown = report._repr_html_()
    assert html.escape(report.to_html()) in shown
    assert 'sandbox="allow-scripts"' in shown


def test_elsewhere_a_browser_opens_it(report: relsearch.Report) -> None:
    """From a file of its own."""
    with patch("webbrowser.open") as opened:
        report.show()
    (address,) = opened.call_args.args
    assert Path(urlsplit(address).path).read_text("utf-8") == report.to_html()


def test_no_input_is_replaced(files: Path, report: relsearch.Report) -> None:
    """A report goes where it was asked for, and over another report."""
    for path in ("page.html", "page.html"):
        assert str(files / path) in report.save(files / path)
    with pytest.raises(DataError, match="qrels"):
        report.save(files / "qrels.tsv", force=True)


def test_a_folder_that_no_run_wrote_is_refused(files: Path) -> None:
    """It is named."""
    with pytest.raises(ArtifactError, match=files.name):
        relsearch.Report(files)
