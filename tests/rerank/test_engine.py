"""The batcher."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relsearch.rerank.engine import micro_batches


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
