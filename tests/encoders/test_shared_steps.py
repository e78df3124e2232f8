"""Whole steps of training lists."""

from __future__ import annotations

import pytest

from relsearch.core.errors import DataError
from relsearch.encoders.shared_steps import whole_steps


def test_lists_that_fill_no_step_are_left() -> None:
    """Every step has as many lists, and there are no more steps than asked for."""
    assert whole_steps(range(7), lists_per_step=3) == [0, 1, 2, 3, 4, 5]
    assert whole_steps(range(7), lists_per_step=2, most=2) == [0, 1, 2, 3]
    assert whole_steps(range(7), lists_per_step=2, most=9) == [0, 1, 2, 3, 4, 5]


def test_too_few_lists_are_refused() -> None:
    """A step that cannot be filled is said with the setting to lower."""
    with pytest.raises(DataError, match="7 training lists fill no step of 8; lower lists_per_step"):
        whole_steps(range(7), lists_per_step=8)
