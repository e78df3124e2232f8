"""Cost in proportion to the data, on a small part of what the benchmark measures."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.data.growth_verbs import VERBS, prepare

_SIZES = (800, 800, 6400)  # the first loads what is loaded once
_NOISE_S = 0.01


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Synthetic data of each size."""
    made = [tmp_path_factory.mktemp("growth") for _ in _SIZES]
    for folder, size in zip(made, _SIZES, strict=True):
        prepare(folder, size)
    return made


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_costs_the_square(verb: str, folders: list[Path]) -> None:
    """Eight times the data takes less than 16 times the CPU time; of the square it would be 64 times."""
    seconds = []
    for folder, size in zip(folders, _SIZES, strict=True):
        run = VERBS[verb](folder, size)
        started = time.process_time()
        run()
        seconds.append(max(time.process_time() - started, _NOISE_S))
    assert seconds[2] < 16 * seconds[1]
