"""Which checkpoint a training goes on from."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers.trainer import TRAINER_STATE_NAME

from relsearch.encoders.checkpoints import last_checkpoint


def test_a_checkpoint_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    """The newest one whose state can be read counts, by its step and not by its name."""
    assert last_checkpoint(tmp_path) is None
    for step, state in {"9": "{}", "10": "{}", "11": '{"global', "12": None}.items():
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / TRAINER_STATE_NAME).write_text(state)
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


def test_what_another_process_did_not_finish_is_removed(tmp_path: Path) -> None:
    """A process that was killed while it wrote its random numbers does not keep all from going on."""
    folder = tmp_path / "checkpoint-9"
    folder.mkdir()
    (folder / TRAINER_STATE_NAME).write_text("{}")
    torch.save({"cpu": torch.get_rng_state()}, folder / "rng_state_0.pth")
    whole = (folder / "rng_state_0.pth").read_bytes()
    for number, size in enumerate([0, len(whole) // 2], 1):
        (folder / f"rng_state_{number}.pth").write_bytes(whole[:size])
    assert last_checkpoint(tmp_path) == str(folder)
    assert [path.name for path in sorted(folder.glob("rng_*"))] == ["rng_state_0.pth"]
