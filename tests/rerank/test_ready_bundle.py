"""The reranker that ships: whole, small, and of use without any training."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.record import recorded
from relsearch.rerank.bundle import SHIPPED, bundle_folder, open_bundle
from relsearch.rerank.families import open_scorer
from relsearch.rerank.interpolation import Interpolation


def test_it_is_named_ready() -> None:
    """The name leads to the packaged folder, whose checksums hold, under its base's public name."""
    bundle = open_bundle("ready")
    assert bundle.folder == SHIPPED
    assert bundle.manifest.base == "intfloat/e5-small-v2"


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has a folder called ready means it."""
    (tmp_path / "ready").mkdir()
    monkeypatch.chdir(tmp_path)
    assert bundle_folder("ready") == Path("ready")


def test_it_travels_with_the_package() -> None:
    """It stays under 40 MB, and its card stands beside it."""
    files = list(SHIPPED.iterdir())
    assert sum(path.stat().st_size for path in files) < 40e6
    assert "README.md" in {path.name for path in files}


def test_what_it_asks_for_beside_its_scores() -> None:
    """Weights that were chosen on no collection of benchmarks/results/transfer.json."""
    assert open_bundle("ready").manifest.interpolation == Interpolation(0.2, 0.3)


def test_it_finds_the_answer() -> None:
    """What answers the question comes before what only shares its words."""
    texts = ["Deep learning goes deep.", "The sea is 3,700 metres deep on average.", "How are you?"]
    scores = open_scorer("ready").score("how deep is the ocean", texts)
    assert max(scores) == scores[1]
    assert [round(score, 2) for score in scores] == [0.03, 0.21, 0.01]


def test_its_scores_are_calibrated() -> None:
    """Fitted on one collection, they come closer on all others than what the export fitted, at the head at least."""
    found = recorded("calibration")
    assert found is not None
    calibration = open_bundle("ready").manifest.calibration
    assert calibration.model_dump() == pytest.approx(found["calibration"])
    for name in found["held_out"]:
        about = found["collections"][name]
        gap = {kind: abs(each["best_p"] - each["best_share"]) for kind, each in about.items()}
        assert gap["fitted"] < gap["exported"], name
        assert about["fitted"]["error"] < 0.08, name
