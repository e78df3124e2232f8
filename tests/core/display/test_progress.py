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
