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
