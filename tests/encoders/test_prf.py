"""Pseudo-relevance feedback: the mean of a candidate's better neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.encoders.prf import leave_one_out_mean, standardise

_ROWS = st.integers(1, 6).flatmap(
    lambda count: st.tuples(
        st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=count, max_size=count),
        st.lists(st.floats(-9, 9), min_size=count, max_size=count),
    )
)


def test_better_candidates_count_more() -> None:
    """A deviation of 1 more weighs e^2 times as much."""
    found = leave_one_out_mean(np.eye(3), np.array([0.0, -1.0, 1.0]))
    step = float(np.exp(2 * (1 / np.sqrt(2 / 3))))
    assert found[0] == pytest.approx([0.0, 1 / (1 + step**2), step**2 / (1 + step**2)])


def test_a_candidate_alone_has_no_others() -> None:
    """The zero vector moves no query."""
    assert leave_one_out_mean(np.array([[1.0, 0.0]]), np.array([3.0])).tolist() == [[0.0, 0.0]]


@given(_ROWS, st.floats(0.5, 20), st.floats(-5, 5))
def test_the_scale_of_scores_does_not_count(
    rows: tuple[list[list[float]], list[float]], scale: float, shift: float
) -> None:
    """Scores of any reranker do; a candidate's own vector never counts."""
    vectors, scores = np.array(rows[0]), np.round(np.array(rows[1]), 3)
    found = leave_one_out_mean(vectors, scores)
    assert np.isfinite(found).all()
    assert found == pytest.approx(leave_one_out_mean(vectors, scale * scores + shift), abs=1e-4)
    changed = vectors.copy()
    changed[0] += 1
    assert found[0] == pytest.approx(leave_one_out_mean(changed, scores)[0], abs=1e-4)


@pytest.mark.parametrize("value", [2.0, 1.0, 0.1])
def test_equal_values_have_no_deviation(value: float) -> None:
    """All zeros, and no division by zero, nor by what the mean of three times 0.1 is rounded by."""
    assert standardise(np.array([value] * 3)).tolist() == [0.0] * 3
