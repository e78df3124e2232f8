"""Where a training by transformers' trainer goes on after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import is_zipfile

from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR


def last_checkpoint(folder: Path) -> str | None:
    """Return the newest whole checkpoint in a folder, None where there is none.

    The trainer writes its state last: a checkpoint that a kill cut short has none that can be read. Only what other
    processes add, the state of their random numbers, may come later; what was cut of that is removed, and they draw
    others.
    """
    found = folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*")
    newest_first = sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    checkpoint = next((path for path in newest_first if _is_whole(path)), None)
    if checkpoint is None:
        return None
    for state in checkpoint.glob("rng_state_*.pth"):
        if not is_zipfile(state):
            state.unlink(missing_ok=True)
    return str(checkpoint)


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / TRAINER_STATE_NAME).read_bytes())
    except (OSError, ValueError):
        return False
    return True
