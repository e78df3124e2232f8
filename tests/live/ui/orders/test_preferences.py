"""Votes: each counts once and none is lost, whatever the disk and the browser do."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from relsearch.live.ui.orders.preferences import Preferences


def test_a_vote_that_comes_again_while_it_is_kept_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may take its time, and a browser sends what it has heard nothing of again."""
    syncing, go = threading.Event(), threading.Event()

    def wait(descriptor: int) -> None:
        syncing.set()
        go.wait(10)

    monkeypatch.setattr(os, "fsync", wait)
    votes = Preferences(tmp_path / "votes.jsonl")
    token, ballot = votes.ask("tides", "a", "b")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(votes.vote, token, "left", "me")
        assert syncing.wait(10)
        again = pool.submit(votes.vote, token, "left", "me")
        with pytest.raises(TimeoutError):
            again.result(0.2)
        go.set()
        assert first.result(10) == again.result(10) == ballot
    (tally,) = votes.tallies()
    assert tally.for_first + tally.for_second == 1


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_vote_that_a_full_disk_refused_may_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Nothing of the first attempt stands in the file, though a part of its line fitted."""
    path, write = tmp_path / "votes.jsonl", os.write

    def full(descriptor: int, line: bytes = b"") -> int:
        if call == "fsync":
            raise OSError(28, "No space left on device")
        return write(descriptor, line[:7])

    votes = Preferences(path)
    kept, _ = votes.ask("moon", "a", "b")
    votes.vote(kept, "equal", "me")
    token, ballot = votes.ask("tides", "a", "b")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(OSError, match="No space"):
            votes.vote(token, "left", "me")
    assert votes.vote(token, "left", "me") == ballot
    (tally,) = Preferences(path).tallies()
    assert (tally.for_first + tally.for_second, tally.equal) == (1, 1)
