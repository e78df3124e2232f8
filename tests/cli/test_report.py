"""`report` at the command line: what it takes, where it writes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_measure import OTHER, QRELS, RUN
from tests.command import relsearch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with labels and two runs."""
    for name, text in {"qrels": QRELS, "run": RUN, "other": OTHER}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_page_is_written_and_written_again(folder: Path) -> None:
    """One line says where it is and what it says; a page of its own is replaced, with the same bytes."""
    pages = []
    for _ in range(2):
        done = relsearch("report", "qrels", "run", "other", cwd=folder)
        assert (done.returncode, done.stdout) == (
            0,
            "report.html: No sure difference between other and run: too few queries to tell\n",
        )
        pages.append((folder / "report.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"relsearch report qrels run other" in pages[0]


def test_what_it_did_not_write_stays(folder: Path) -> None:
    """Neither an input nor a user's own page is replaced."""
    (folder / "report.html").write_text("<p>mine</p>", encoding="utf-8")
    for options in ([], ["-o", "run"]):
        done = relsearch("report", "qrels", "run", "other", *options, cwd=folder)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
    assert (folder / "report.html").read_text("utf-8") == "<p>mine</p>"
    assert (folder / "run").read_text("utf-8") == RUN


def test_a_folder_goes_alone_and_qrels_with_runs(folder: Path) -> None:
    """Anything else is a wrong usage, the options of qrels and runs too; the error says what is no run folder."""
    for arguments in (["qrels"], [".", "run"], [".", "--resamples", "2000"]):
        assert relsearch("report", *arguments, cwd=folder).returncode == 2
    done = relsearch("report", ".", cwd=folder)
    assert done.returncode == 1
    assert "not a run folder" in done.stderr
    assert "nowhere: is not there" in relsearch("report", "nowhere", cwd=folder).stderr
