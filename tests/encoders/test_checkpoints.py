"""Which checkpoint a training goes on from."""

from __future__ import annotations

from pathlib import Path

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
