"""The processes that torchrun or `accelerate launch` starts to train together.

The first one does the work of a verb and alone writes. The others follow it into each training, where they prepare the
same data from what the first has kept, take their share of every step, and write nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from relsearch.core.errors import ConfigError

if TYPE_CHECKING:
    from accelerate import PartialState

_SHARED = ("tune", "train")
_SHARDING = ("FSDP", "DEEPSPEED", "MEGATRON_LM")  # models in parts: a judge reads its layers one by one, past them
# The others wait while the first prepares, which may take hours; the launcher ends them where it fails.
_LONGEST_WAIT = timedelta(days=7)


def process_count() -> int:
    """Return how many processes train together; 1 where no launcher started them."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def process_number() -> int:
    """Return the number of this process, from 0."""
    return int(os.environ["RANK"]) if process_count() > 1 else 0


def is_first() -> bool:
    """Tell whether this process writes."""
    return process_number() == 0


def is_first_here() -> bool:
    """Tell whether this process is the first one of its machine, which says what is wrong with all of them."""
    return process_count() == 1 or os.environ["LOCAL_RANK"] == "0"


def check_shared(verb: str) -> None:
    """Raise ConfigError where several processes were started for a verb, or in a way, that they cannot share."""
    if process_count() > 1 and verb not in _SHARED:
        raise ConfigError(
            f"{verb}: {process_count()} processes were started, which only {' and '.join(_SHARED)} share; "
            "run it without torchrun or accelerate launch"
        )
    if process_count() > 1 and (sharding := [name for name in _SHARDING if os.environ.get(f"ACCELERATE_USE_{name}")]):
        raise ConfigError(
            f"{verb}: each process holds the whole model; turn {sharding[0]} off in accelerate's configuration, "
            "and name a base in 4 bits where memory is short (docs/cluster.md)"
        )


def lists_of_each(lists_per_step: int, *, section: str) -> int:
    """Return how many of a step's lists each process reads; raise ConfigError where they cannot be dealt equally."""
    count = process_count()
    if lists_per_step % count:
        raise ConfigError(
            f"[{section}] lists_per_step {lists_per_step}: {count} processes cannot share so many lists; "
            f"set it to {count} or a multiple"
        )
    return lists_per_step // count


def wait() -> None:
    """Return once all processes are here."""
    if process_count() > 1:
        _state().wait_for_everyone()


@contextmanager
def first_then_others() -> Iterator[None]:
    """Let the first process run the block, and only then the others, which find on disk what it has kept there."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def decided_by_first(values: Sequence[int]) -> list[int]:
    """Return the first process's values; each process gives as many."""
    if process_count() == 1:
        return list(values)
    import torch

    shared = torch.tensor(values, dtype=torch.int64, device=_state().device)
    torch.distributed.broadcast(shared, src=0)
    return [int(value) for value in shared.tolist()]


def tell_launcher(message: str) -> None:
    """Leave an error where torchrun looks for it, so that its own long report ends with it; do nothing without it."""
    if place := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        Path(place).write_text(json.dumps({"message": message, "timestamp": int(time.time())}), encoding="utf-8")


def part() -> None:
    """End what connects the processes, once there is nothing more to share."""
    if process_count() > 1:
        _state().destroy_process_group()


def _state() -> PartialState:
    """The processes' connection, made by the first call: NCCL between GPUs, gloo between CPUs."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available(), timeout=_LONGEST_WAIT)
