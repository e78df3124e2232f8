"""Training steps that several processes share: how many lists each one reads, and when all of them stop."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from transformers import TrainerCallback

from relsearch.cluster.processes import decided_by_first, lists_of_each, wait
from relsearch.core.errors import DataError

_T = TypeVar("_T")
_FLOW = ("should_training_stop", "should_epoch_stop", "should_save", "should_evaluate", "should_log")


def whole_steps(lists: Sequence[_T], *, lists_per_step: int, most: int | None = None) -> list[_T]:
    """Return the first lists that fill whole steps, `most` steps at most; raise DataError where they fill none.

    A step that several processes share would be filled up with lists that were read before.
    """
    steps = len(lists) // lists_per_step
    if not steps:
        raise DataError(f"{len(lists)} training lists fill no step of {lists_per_step}; lower lists_per_step")
    return list(lists[: lists_per_step * min(steps, most or steps)])


def shared_steps(lists_per_step: int, *, section: str) -> dict[str, Any]:
    """Return the training arguments by which the processes share each step, whose gradient is the mean of its lists.

    Raise ConfigError where they cannot deal its lists equally.
    """
    return {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": lists_of_each(lists_per_step, section=section),
        "dataloader_drop_last": True,  # nothing is dropped of whole steps
        # Buffers never change here, and would be sent at each forward pass: lists of unlike length take unlike many.
        "ddp_broadcast_buffers": False,
        "ddp_find_unused_parameters": False,  # what is not used is frozen
    }


@contextmanager
def sharing() -> Iterator[None]:
    """Train together; all processes leave at once, so that none reads a checkpoint that another has cleared away."""
    with warnings.catch_warnings():
        # torch 2.13 renames an option that transformers 5.24 sets by its old name.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
        yield
    wait()


class DecideTogether(TrainerCallback):
    """Lets the first process's clock and measures decide for all when to look, save and stop; comes last."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take over what the first process wants after a step."""
        _decide(control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take over what the first process wants after a look, once it has saved its weights."""
        _decide(control)


def _decide(control: Any) -> None:
    for name, value in zip(_FLOW, decided_by_first([getattr(control, name) for name in _FLOW]), strict=True):
        setattr(control, name, bool(value))
