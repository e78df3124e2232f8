"""The logistic maps and the prior."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relsearch.core.errors import DataError, ModelError
from relsearch.rerank.cross.prior import Prior
from relsearch.stats.logistic import LOWEST_SLOPE, Logistic


def test_fit_finds_the_map_that_drew_the_labels() -> None:
    """Labels drawn from a known map give it back."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=20_000)
    labels = rng.random(20_000) < Logistic(slope=1.5, intercept=-0.5).probabilities(values)
    fitted = Logistic.fit(values, labels)
    assert fitted.slope == pytest.approx(1.5, abs=0.1)
    assert fitted.intercept == pytest.approx(-0.5, abs=0.1)


def test_slope_stays_positive_on_reversed_labels() -> None:
    """Evidence that points the wrong way is flattened, never reversed."""
    assert Logistic.fit([0.0, 1.0, 2.0, 3.0], [1, 1, 0, 0]).slope == LOWEST_SLOPE


def test_separable_labels_give_a_finite_slope() -> None:
    """Perfectly separated classes do not send the slope to infinity."""
    assert Logistic.fit([-1.0, -0.9, 0.9, 1.0], [0, 0, 1, 1]).slope < 100


def test_weights_count_as_copies() -> None:
    """A weight of two is the example twice."""
    once = Logistic.fit([0.0, 1.0, 1.0, 2.0], [0, 1, 1, 0], weights=[1, 1, 1, 1])
    twice = Logistic.fit([0.0, 1.0, 2.0], [0, 1, 0], weights=[1, 2, 1])
    assert twice.slope == pytest.approx(once.slope, abs=1e-4)


@given(st.lists(st.integers(-1_000_000, 1_000_000), min_size=2, unique=True))
def test_probabilities_are_inside_and_never_tied(thousandths: list[int]) -> None:
    """Logits from -1,000 to 1,000, a thousandth apart, stay distinct, ordered and strictly inside (0, 1)."""
    logits = np.sort(np.array(thousandths)) / 1000
    probabilities = Logistic().probabilities(logits)
    assert (np.diff(probabilities) > 0).all()
    assert probabilities.min() > 0
    assert probabilities.max() < 1


def test_probabilities_are_the_sigmoid_in_its_usual_range() -> None:
    """The compression of extreme logits leaves ordinary ones alone."""
    logits = np.linspace(-12, 12, 41)
    assert Logistic().probabilities(logits) == pytest.approx(1 / (1 + np.exp(-logits)), rel=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_has_no_probability_and_fits_nothing(value: float) -> None:
    """Every comparison with NaN is false: it would be put somewhere."""
    with pytest.raises(ModelError, match="NaN or infinite"):
        Logistic().probabilities([0.5, value])
    with pytest.raises(ModelError, match="a calibration is fitted on"):
        Logistic.fit([0.5, value, 1.0], [0, 1, 0])
    with pytest.raises(ModelError, match="cosines of the training pairs"):
        Prior.fit([0.5, value, 1.0], [0, 1, 0])
    with pytest.raises(ValidationError, match="finite number"):
        Logistic(intercept=value)


def test_a_negative_slope_is_refused() -> None:
    """A stored map that would reverse a ranking is not accepted."""
    with pytest.raises(ValidationError):
        Logistic(slope=-1.0)


def test_prior_keeps_the_order_of_the_cosines() -> None:
    """A higher cosine has a higher prior logit."""
    prior = Prior.fit([0.1, 0.4, 0.5, 0.9], [0.0, 0.3, 0.3, 1.0])
    assert (np.diff(prior.logits([-1.0, 0.0, 0.3, 1.0])) > 0).all()


def test_constant_cosines_are_refused() -> None:
    """An encoder that gives one cosine to all pairs is an error, not a division by zero."""
    with pytest.raises(DataError, match="same cosine"):
        Prior.fit([0.5, 0.5], [0.0, 1.0])
