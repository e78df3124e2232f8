"""The standard deviation of numbers that may be equal but for rounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import DataError
from relsearch.core.types import SCALES
from relsearch.rerank.cross.prior import Prior
from relsearch.rerank.late.head import Standard
from relsearch.stats.deviation import standard_deviation
from relsearch.stats.ordinal import CumulativeLink


@given(st.floats(-1e6, 1e6), st.integers(0, 50))
def test_equal_numbers_have_none(number: float, count: int) -> None:
    """Whatever their mean is rounded to."""
    assert standard_deviation([number] * count) == 0
    assert standard_deviation(np.full((count, 2), number)).tolist() == [0.0, 0.0]


def test_a_real_difference_counts() -> None:
    """However small the numbers are, and column by column."""
    assert standard_deviation([1e-12, 3e-12]) == pytest.approx(1e-12)
    assert standard_deviation([1e6, 1e6 + 2]) == pytest.approx(1.0)
    assert standard_deviation([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]]) == pytest.approx([0.0, np.sqrt(2 / 3)])


def test_nothing_is_fitted_to_rounding() -> None:
    """Three times 0.1 are as constant as three times 0.5."""
    with pytest.raises(DataError, match="same cosine"):
        Prior.fit([0.1] * 3, [0.0, 1.0, 1.0])
    with pytest.raises(DataError, match="same MaxSim"):
        Standard.fit(np.full(3, 0.1), "MaxSim")
    assert CumulativeLink.fit([0.1] * 3, [0, 1, 3], SCALES["0-3"]).deviation == 1.0
