"""The quick benchmark tells a worse figure from noise."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import pytest

from benchmarks import quick, record
from benchmarks.quick import Figure, baseline, row


@pytest.mark.parametrize(
    ("value", "sign", "worse"),
    [(0.68, 1, True), (0.695, 1, False), (0.9, 1, False), (0.72, -1, True), (0.5, -1, False), (math.nan, 1, True)],
)
def test_a_figure_is_worse_beyond_its_tolerance(value: float, sign: int, worse: bool) -> None:
    """More is better by default and less where the sign is -1; a better figure is never refused, no number always."""
    found = Figure("NDCG@10", value, 0.01, sign=sign)
    assert found.worse(0.7) is worse
    assert row(found, 0.7)[-1] == ("WORSE" if worse else "ok")


def test_a_figure_that_nothing_recorded_has_no_verdict() -> None:
    """It is printed, without a difference."""
    assert row(Figure("NDCG@10", 0.5, 0.01), None) == ["NDCG@10", "", "0.5000", "", "0.01", ""]


def test_speed_is_compared_on_like_processors_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another processor recorded of quality counts, its speed does not."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    figures = [{"name": "NDCG@10", "value": 0.7, "speed": False}, {"name": "times", "value": 4.0, "speed": True}]
    found = [Figure("NDCG@10", 0.7, 0.01), Figure("times", 1.0, 0.5, speed=True)]
    for flags, known in ((["none"], {"NDCG@10": 0.7}), (record.cpu()["cpu_flags"], {"NDCG@10": 0.7, "times": 4.0})):
        kept = {"parts": {"all": {"figures": figures}}, "cpu_flags": flags}
        (tmp_path / "quick.json").write_text(json.dumps(kept), encoding="utf-8")
        assert baseline(found) == known


def test_a_part_is_recorded_with_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of one part leaves what other parts recorded; a worse figure ends the run with status 1."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    for name, value in (("first", 0.7), ("second", 0.5)):
        monkeypatch.setitem(quick.PARTS, name, partial(_figures, name, value))
        monkeypatch.setattr("sys.argv", ["quick", "--only", name, "--record"])
        quick.main()
    parts = json.loads((tmp_path / "quick.json").read_text("utf-8"))["parts"]
    assert {part: kept["figures"][0]["value"] for part, kept in parts.items()} == {"first": 0.7, "second": 0.5}
    monkeypatch.setitem(quick.PARTS, "first", partial(_figures, "first", 0.6))
    monkeypatch.setattr("sys.argv", ["quick", "--only", "first"])
    with pytest.raises(SystemExit, match="worse than recorded: first"):
        quick.main()


def test_a_part_that_fails_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are printed, and the run ends with status 1."""
    monkeypatch.setitem(quick.PARTS, "broken", _broken)
    monkeypatch.setitem(quick.PARTS, "whole", partial(_figures, "whole", 0.7))
    monkeypatch.setattr("sys.argv", ["quick", "--only", "broken", "whole"])
    with pytest.raises(SystemExit, match="broken"):
        quick.main()
    assert "0.7000" in capsys.readouterr().out


def _figures(name: str, value: float, folder: Path) -> list[Figure]:
    return [Figure(name, value, 0.01)]


def _broken(folder: Path) -> list[Figure]:
    raise FileNotFoundError(folder / "no collection")
