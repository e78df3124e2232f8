"""What the trainer does between steps: keep the best weights, stop in time, stop when dev no longer gains."""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from relsearch.cluster.processes import is_first
from relsearch.core.errors import ModelError
from relsearch.core.files.atomic import recover, replace_text, scratch, swap
from relsearch.rerank.card import Evaluation, Kept
from relsearch.rerank.training.dev import METRIC

_LOG = logging.getLogger(__name__)
BEST = "best"
HISTORY = "history.json"


class KeepBest(TrainerCallback):
    """Saves the weights whenever the dev measure rises, and stops after `patience` looks without a rise.

    `minutes` are those since it was made, with the last look and the calibration, which take a look's time each. The
    history survives a crash beside the weights, so a resumed run goes on counting time and patience; the weights are
    always whole, those before until the new ones are. Of several processes the first writes.
    """

    def __init__(self, folder: Path, *, patience: int, minutes: float, kept: Kept = "best") -> None:
        self.folder = folder
        self._kept = kept
        self.patience = patience
        self.seconds = minutes * 60
        if is_first():
            recover(folder / BEST)
        self.history = _read_history(folder)
        self._started = time.monotonic() - (self.history[-1].seconds if self.history else 0.0)
        self._step_ended = time.monotonic()
        self._look_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, those before a crash included."""
        return time.monotonic() - self._started

    @property
    def best(self) -> Evaluation:
        """The look whose weights are kept: by default the best so far, the earliest among equals."""
        if self._kept != "best":
            return self.history[0 if self._kept == "start" else -1]
        return max(self.history, key=lambda entry: (entry.ndcg10, -entry.step))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Time the first look from here."""
        self._step_ended = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for a last evaluation and the end when the time is up."""
        self._step_ended = time.monotonic()
        if self.elapsed_s + 2 * self._look_s > self.seconds:
            control.should_evaluate = True
            control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the look; save the weights if it is the best so far.

        Weights that give no numbers never do again: training ends with the best ones before them. Raise ModelError
        where there are none.
        """
        self._look_s = time.monotonic() - self._step_ended
        step = int(state.global_step)
        if any(entry.step == step for entry in self.history):
            return
        ndcg10 = float(kwargs["metrics"][f"eval_{METRIC}"])
        if not math.isfinite(ndcg10):
            if not self.history:
                raise ModelError("the base gives scores that are NaN before any training; set [train] base to another")
            _LOG.warning("training diverged by step %d; the best weights are kept, lower [train] learning_rate", step)
            control.should_training_stop = True
            return
        self.history.append(Evaluation(step=step, seconds=self.elapsed_s, ndcg10=ndcg10))
        if is_first():
            if self.best.step == step:
                with scratch(self.folder / BEST) as aside:
                    kwargs["model"].save_pretrained(str(aside / BEST), create_model_card=False)
                    swap(aside / BEST, self.folder / BEST)
            _write_history(self.folder, self.history)
        behind = sum(1 for entry in self.history if entry.step > self.best.step)
        if self._kept == "start" or (self._kept == "best" and behind >= self.patience):
            control.should_training_stop = True


def _read_history(folder: Path) -> list[Evaluation]:
    path = folder / HISTORY
    if not path.is_file():
        return []
    return [Evaluation.model_validate(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def _write_history(folder: Path, history: list[Evaluation]) -> None:
    replace_text(folder / HISTORY, json.dumps([entry.model_dump() for entry in history]))
