"""Keeping the best weights, and stopping."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState

from relsearch.core.errors import ModelError
from relsearch.rerank.card import Kept
from relsearch.rerank.training.callbacks import BEST, HISTORY, KeepBest


class Weights:
    """Stands for a model: remembers how often it was saved."""

    def __init__(self) -> None:
        self.saves = 0

    def save_pretrained(self, path: str, **options: object) -> None:
        """Count, and leave a mark where the weights would be."""
        self.saves += 1
        Path(path).mkdir(exist_ok=True)


def look(keep: KeepBest, weights: Weights, *, step: int, ndcg10: float) -> TrainerControl:
    """Tell the callback of one evaluation; return what it asks of the trainer."""
    control = TrainerControl()
    state = TrainerState(global_step=step)
    keep.on_evaluate(None, state, control, metrics={"eval_dev_ndcg10": ndcg10}, model=weights)
    return control


def test_only_better_weights_are_saved(tmp_path: Path) -> None:
    """A look that is no better than an earlier one leaves the saved weights alone."""
    keep, weights = KeepBest(tmp_path, patience=9, minutes=1), Weights()
    for step, ndcg10 in enumerate([0.5, 0.7, 0.6, 0.7]):
        look(keep, weights, step=step, ndcg10=ndcg10)
    assert weights.saves == 2
    assert keep.best.step == 1


def test_weights_that_give_no_numbers_end_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """NaN is no look: the best weights before it stay, and it is told."""
    keep, weights = KeepBest(tmp_path, patience=9, minutes=1), Weights()
    look(keep, weights, step=0, ndcg10=0.5)
    assert look(keep, weights, step=1, ndcg10=math.nan).should_training_stop
    assert (weights.saves, keep.best.ndcg10) == (1, 0.5)
    assert "diverged by step 1" in caplog.text
    assert [entry.step for entry in KeepBest(tmp_path, patience=9, minutes=1).history] == [0]


def test_a_start_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    """Nothing could be kept."""
    with pytest.raises(ModelError, match="before any training"):
        look(KeepBest(tmp_path, patience=9, minutes=1), Weights(), step=0, ndcg10=math.nan)


def test_patience_ends_training(tmp_path: Path) -> None:
    """After as many looks without a gain as the patience allows, training stops."""
    keep, weights = KeepBest(tmp_path, patience=2, minutes=1), Weights()
    stops = [
        look(keep, weights, step=step, ndcg10=ndcg10).should_training_stop
        for step, ndcg10 in enumerate([0.5, 0.6, 0.6, 0.1])
    ]
    assert stops == [False, False, False, True]


def test_history_survives_a_crash(tmp_path: Path) -> None:
    """A new callback on the same folder knows the looks and the time of the one before."""
    look(KeepBest(tmp_path, patience=2, minutes=1), Weights(), step=0, ndcg10=0.5)
    keep, weights = KeepBest(tmp_path, patience=2, minutes=1), Weights()
    look(keep, weights, step=0, ndcg10=0.9)
    assert [entry.ndcg10 for entry in keep.history] == [0.5]
    assert weights.saves == 0
    assert keep.elapsed_s >= keep.history[0].seconds


class Interrupted(Weights):
    """Is killed while it writes its second file, from the second time on."""

    def save_pretrained(self, path: str, **options: object) -> None:
        """Write two files, or one of them."""
        super().save_pretrained(path)
        (Path(path) / "config.json").write_text(str(self.saves), encoding="utf-8")
        if self.saves > 1:
            raise KeyboardInterrupt
        (Path(path) / "model.safetensors").write_text(str(self.saves), encoding="utf-8")


def test_the_best_weights_are_whole_whenever_a_run_ends(tmp_path: Path) -> None:
    """Those before stay until the new ones are written, and are found where a kill left them in mid-exchange."""
    keep, weights = KeepBest(tmp_path, patience=9, minutes=1), Interrupted()
    look(keep, weights, step=0, ndcg10=0.5)
    with pytest.raises(KeyboardInterrupt):
        look(keep, weights, step=1, ndcg10=0.7)
    assert {path.read_text("utf-8") for path in (tmp_path / BEST).iterdir()} == {"1"}
    assert {path.name for path in tmp_path.iterdir()} == {BEST, HISTORY}
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / BEST).rename(tmp_path / f".{BEST}.{gone.pid}.00000000.old")
    KeepBest(tmp_path, patience=9, minutes=1)
    assert {path.read_text("utf-8") for path in (tmp_path / BEST).iterdir()} == {"1"}


def test_time_asks_for_a_last_look(tmp_path: Path) -> None:
    """When the time is up the trainer evaluates once more and stops."""
    control = TrainerControl()
    KeepBest(tmp_path, patience=2, minutes=0).on_step_end(None, None, control)
    assert control.should_evaluate
    assert control.should_training_stop


@pytest.mark.parametrize(("kept", "step"), [("best", 1), ("start", 0), ("end", 2)])
def test_which_weights_are_kept_may_be_settled_beforehand(tmp_path: Path, kept: Kept, step: int) -> None:
    """Cross-validation has chosen: the dev figures of the last training have no say."""
    keep, weights = KeepBest(tmp_path, patience=1, minutes=1, kept=kept), Weights()
    stopped = [
        look(keep, weights, step=number, ndcg10=ndcg10).should_training_stop
        for number, ndcg10 in enumerate([0.5, 0.7, 0.6])
    ]
    assert keep.best.step == step
    assert stopped == {"best": [False, False, True], "start": [True] * 3, "end": [False] * 3}[kept]


def test_the_time_holds_the_last_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 12 seconds left and looks of 10, it is time for the last look, and for the calibration after it."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    keep, weights, control = KeepBest(tmp_path, patience=2, minutes=2), Weights(), TrainerControl()
    now = 10.0
    look(keep, weights, step=0, ndcg10=0.5)
    now = 99.0
    keep.on_step_end(None, None, control)
    assert not control.should_training_stop
    now = 108.0
    keep.on_step_end(None, None, control)
    assert control.should_training_stop
