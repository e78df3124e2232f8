"""The batcher, and runs that end by a deadline."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.encoders.joining import Row
from relsearch.runtime.engine import Engine, micro_batches
from relsearch.runtime.tokenising import PairTokenizer


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 600))
def test_batches_lose_nothing_and_keep_the_budget(lengths: list[int], budget: int) -> None:
    """Every row is in one batch; a batch of several rows stays within the token budget, padding included."""
    batches = micro_batches(lengths, budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget


@given(st.lists(st.integers(1, 300), max_size=60))
def test_longest_come_first(lengths: list[int]) -> None:
    """Long batches start first, so that no worker ends alone on one."""
    longest = [lengths[row] for batch in micro_batches(lengths, 512) for row in batch]
    assert longest == sorted(lengths, reverse=True)


@pytest.fixture
def engine(tiny_bundles: dict[str, Path]) -> Engine:
    """The fp32 cross-encoder on two workers."""
    return Engine(tiny_bundles["fp32"] / "model.onnx", outputs=("logits",), workers=2)


@pytest.fixture
def rows(tiny_bundles: dict[str, Path]) -> list[Row]:
    """Forty inputs of many lengths."""
    reader = PairTokenizer(tiny_bundles["fp32"] / "tokenizer.json", max_length=64)
    return [row for (row,) in reader.rows([("why", "a cat purrs " * (number % 9)) for number in range(40)])]


def test_with_time_enough_a_deadline_changes_nothing(engine: Engine, rows: list[Row]) -> None:
    """All inputs are reached, with the outputs of an ordinary run."""
    outputs = engine.run_until(rows, time.perf_counter() + 60)
    assert sorted(outputs) == list(range(40))
    assert np.stack([outputs[place][0] for place in range(40)]) == pytest.approx(engine.run(rows), abs=1e-6)


def test_nothing_is_begun_that_would_end_too_late(engine: Engine, rows: list[Row]) -> None:
    """An input is read if the measured cost of its tokens ends before the deadline."""
    length = len(rows[0].ids)
    engine.seconds_per_token = 1.0
    assert engine.run_until(rows, time.perf_counter() + length - 0.5) == {}
    assert set(engine.run_until(rows[:1], time.perf_counter() + length + 0.5)) == {0}


def test_the_plan_is_twice_what_fits(engine: Engine) -> None:
    """Two workers at a second a token do 20 tokens in ten seconds; inputs of ten tokens are worth preparing for 40."""
    engine.seconds_per_token = 1.0
    assert engine.plan([10] * 9, time.perf_counter() + 10.1) == 4
    assert engine.plan([10] * 9, time.perf_counter() - 1) == 0


def test_the_cost_of_a_token_is_measured(engine: Engine, rows: list[Row]) -> None:
    """After a run it is positive and no longer than the run."""
    started = time.perf_counter()
    engine.run(rows)
    assert 0 < engine.seconds_per_token < time.perf_counter() - started
