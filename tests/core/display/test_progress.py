"""Progress where nobody watches: a line now and then, none for what is short."""

from __future__ import annotations

import time

import pytest

from relsearch.core.display import progress as module
from relsearch.core.display.progress import progress


def test_a_log_gets_a_line_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a line of its own, without control characters."""
    monkeypatch.setattr(module, "LOG_EVERY_S", 0.02)
    for _ in progress(range(8), desc="read", unit="doc", total=8):
        time.sleep(0.01)
    lines = capsys.readouterr().err.splitlines()
    assert 1 < len(lines) < 8
    assert all(line.startswith("read: ") and "doc/s" in line and " left" in line for line in lines)


@pytest.mark.parametrize(("total", "units"), [(1, "query"), (2, "queries")])
def test_a_line_counts_in_the_plural_and_names_the_rate_of_one(
    total: int, units: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow rate is in seconds each, with a space before its unit."""
    monkeypatch.setattr(module, "LOG_EVERY_S", 0.0)
    bar = progress(desc="rerank", unit="query", total=total)
    bar.last_print_t -= 8
    bar.update(total)
    bar.close()
    line = capsys.readouterr().err
    assert f"{total} of {total} {units} in " in line
    assert " s/query, " in line


def test_what_is_short_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A log of a hundred short steps stays readable."""
    assert list(progress(range(3), desc="read", unit="doc")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_bar_within_another_moves_no_cursor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log has no control characters where two are shown at once."""
    monkeypatch.setattr(module, "LOG_EVERY_S", 0.0)
    for _ in progress(range(2), desc="outer", unit="doc", total=2):
        for _ in progress(range(2), desc="inner", unit="doc", total=2):
            time.sleep(0.002)
    lines = capsys.readouterr().err.splitlines()
    assert {line.split(":")[0] for line in lines} == {"outer", "inner"}
