"""Processes that train together: what they may run, and how they share a step. tests/cli/test_kills.py runs two."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from relsearch.cluster.processes import lists_of_each
from relsearch.core.errors import ConfigError
from tests.command import relsearch


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchrun tells the second process of another machine."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("second_of_two")
@pytest.mark.parametrize("arguments", [["run"], ["judge"], ["evaluate", "qrels.txt", "run.trec"]])
def test_a_verb_that_does_not_train_is_refused(arguments: list[str]) -> None:
    """Two processes of it would do everything twice, in one folder."""
    done = relsearch(*arguments)
    assert done.returncode == 1
    assert done.stderr == (
        f"relsearch: {arguments[0]}: 2 processes were started, which only tune and train share; "
        "run it without torchrun or accelerate launch\n"
    )


@pytest.mark.usefixtures("second_of_two")
def test_torchruns_own_report_ends_with_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads each process's from a file, and else names a page on how to see tracebacks."""
    place = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(place))
    done = relsearch("judge")
    assert ProcessFailure(0, 1, 1, str(place)).message == done.stderr.rstrip()


@pytest.mark.usefixtures("second_of_two")
def test_models_in_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """FSDP as `accelerate launch` sets it would break in the middle of training."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    done = relsearch("tune")
    assert done.returncode == 1
    assert done.stderr.startswith("relsearch: tune: each process holds the whole model; turn FSDP off in accelerate's")


@pytest.mark.usefixtures("second_of_two")
def test_a_step_is_dealt_equally_or_refused() -> None:
    """Each process reads as many lists of a step; a number that does not divide is a setting to correct."""
    assert lists_of_each(6, section="tune") == 3
    with pytest.raises(ConfigError, match=r"\[tune\] lists_per_step 1: 2 processes .* set it to 2 or a multiple"):
        lists_of_each(1, section="tune")


def test_one_process_reads_all_lists_of_a_step() -> None:
    """Without a launcher nothing is shared."""
    assert lists_of_each(3, section="train") == 3
