"""Effects beside ordinal logits: Laplace's approximation against the integrals that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from relsearch.stats.laplace import Floats, Levels, log_likelihood, posterior

LOGITS = np.array([[2.0, 0.5, -1.0], [0.0, -1.5, -3.0], [1.0, 0.0, -0.5], [3.0, 2.0, 0.0]])
LEVELS = np.array([3, 1, 2, 2])
GRID = np.linspace(-8, 8, 4001)


def _mean_intercept(logits: Floats, levels: Levels, deviation: float) -> float:
    """The posterior mean of an effect that all rows share, by quadrature."""
    told = [log_likelihood(logits, levels, np.full(len(levels), value)) for value in GRID]
    weights = np.exp(np.array(told) - max(told) - 0.5 * np.square(GRID / deviation))
    return float(weights @ GRID / weights.sum())


@pytest.mark.parametrize("deviation", [0.3, 1.0, 2.0])
def test_a_shared_effect_is_that_of_quadrature(deviation: float) -> None:
    """A row that nobody graded shares it, and each graded one has it as the others tell."""
    covariance = np.full((4, 4), deviation**2)
    found = posterior(LOGITS, LEVELS, covariance)
    assert covariance[0] @ found.gradient == pytest.approx(_mean_intercept(LOGITS, LEVELS, deviation), abs=0.1)
    for row in range(4):
        others = np.arange(4) != row
        alone = _mean_intercept(LOGITS[others], LEVELS[others], deviation)
        assert found.left_out[row] == pytest.approx(alone, abs=0.15)


def test_a_row_that_is_like_no_other_learns_nothing_of_them() -> None:
    """Its own level moves it alone; left out, nothing is known of it."""
    found = posterior(LOGITS, LEVELS, np.eye(4))
    assert found.left_out == pytest.approx(np.zeros(4), abs=1e-6)


def test_rows_that_are_the_same_leave_no_singular_matrix() -> None:
    """Twenty times one document: the effect is finite, and nearly what all agree on."""
    logits, levels = np.tile(LOGITS[:1], (20, 1)), np.full(20, 0)
    found = posterior(logits, levels, np.full((20, 20), 4.0))
    assert np.isfinite(found.left_out).all()
    assert np.full(20, 4.0) @ found.gradient < -3


def test_the_likelihood_is_that_of_the_levels() -> None:
    """Of one row: P(at least its level) less P(more)."""
    reached, passed = 1 / (1 + np.exp(-np.array([0.5 + 0.2, -1.0 + 0.2])))
    assert log_likelihood(LOGITS[:1], np.array([2]), np.array([0.2])) == pytest.approx(np.log(reached - passed))
