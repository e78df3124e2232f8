"""How far a training by transformers' trainer is, the time left, and what it logged."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from relsearch.cluster.processes import is_first
from relsearch.core.display.progress import progress


class ShowProgress(TrainerCallback):
    """A bar over the steps, in place of the trainer's own, which shows nothing in a plain log; the first process's."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin at the step that the training goes on from."""
        if is_first():
            self._bar = progress(desc=self._what, unit="step", total=state.max_steps, initial=state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the step."""
        if self._bar is not None:
            self._bar.update()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def logged(trainer: Any, name: str) -> list[tuple[int, float]]:
    """Return a figure that the trainer logged, by step, those of the run before an interruption included."""
    return [(int(entry["step"]), float(entry[name])) for entry in trainer.state.log_history if name in entry]
