"""The journal of unfinished work: what was written is there after a kill."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from relsearch.core.errors import ArtifactError, DataError
from relsearch.core.files.journal import ROWS, Journal, unfinished


@pytest.mark.parametrize("cut", ["", '{"n": ', "x" * 200_000])
def test_a_line_that_was_cut_is_left_out(tmp_path: Path, cut: str) -> None:
    """The next row begins a line of its own."""
    path = tmp_path / "j" / ROWS
    with closing(Journal(path)) as journal:
        journal.append({"n": 1})
    path.write_text(path.read_text() + cut)
    with closing(Journal(path)) as journal:
        journal.append({"n": 2})
        assert list(journal.rows()) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(("error", "left"), [(DataError, False), (OSError, True)])
def test_what_is_of_no_use_after_an_error_goes(tmp_path: Path, error: type[Exception], left: bool) -> None:
    """Work goes on after other errors."""
    output = tmp_path / "run"

    def stopped() -> None:
        with unfinished(output, drops=(DataError,)) as journal:
            journal.append({"n": 1})
            raise error

    with pytest.raises(error):
        stopped()
    assert (tmp_path / "run.unfinished").exists() is left


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """It is not passed over."""
    path = tmp_path / ROWS
    path.write_text('{"n": 1}\nx\n{"n": 2}\n')
    with closing(Journal(path)) as journal, pytest.raises(ArtifactError, match=r"rows\.jsonl:2: damaged"):
        list(journal.rows())


def test_one_process_has_the_work(tmp_path: Path) -> None:
    """A second one is refused, and the journal goes when the work is done."""
    output = tmp_path / "run"
    with unfinished(output), pytest.raises(ArtifactError, match="another process"), unfinished(output):
        pass
    assert not list(tmp_path.iterdir())
