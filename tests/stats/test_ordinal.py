"""The cumulative-link model that turns a score into a grade distribution."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relsearch.core.errors import DataError, ModelError
from relsearch.core.types import SCALES
from relsearch.stats.ordinal import CumulativeLink, grade_scores, matching_thresholds

SCALE = SCALES["0-3"]


def _sample(slope: float, thresholds: list[float], count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    z = rng.normal(size=count)
    return z, np.searchsorted(thresholds, slope * z + rng.logistic(size=count))


def test_known_parameters_are_recovered() -> None:
    """Fitting a sample of a known model returns its slope and thresholds."""
    model = CumulativeLink.fit(*_sample(2.0, [0.0, 1.5, 3.0], 20_000), SCALE)
    assert model.slope == pytest.approx(2.0, abs=0.1)
    assert model.thresholds == pytest.approx((0.0, 1.5, 3.0), abs=0.1)


def test_probabilities_match_the_frequencies() -> None:
    """The mean fitted distribution is the grades' distribution."""
    scores, grades = _sample(1.0, [0.5, 1.0, 2.0], 5_000)
    mean = CumulativeLink.fit(scores, grades, SCALE).probabilities(scores).mean(axis=0)
    np.testing.assert_allclose(mean, np.bincount(grades, minlength=4) / 5_000, atol=0.01)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 3)), min_size=1, max_size=30),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5),
)
def test_every_fit_gives_distributions(points: list[tuple[float, int]], others: list[float]) -> None:
    """Whatever was fitted, rows are positive, sum to 1, and a higher score expects no lower grade."""
    model = CumulativeLink.fit([score for score, _ in points], [grade for _, grade in points], SCALE)
    rows = model.probabilities(sorted(others))
    assert (rows > 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)
    assert (np.diff(rows @ np.arange(4)) >= -1e-4).all()


def test_json_round_trip_is_exact() -> None:
    """What to_json writes, from_json reads back to the same model."""
    model = CumulativeLink.fit(*_sample(1.0, [0.0, 1.0, 2.0], 200), SCALE)
    assert CumulativeLink.from_json(json.loads(json.dumps(model.to_json()))) == model


def test_foreign_json_is_refused() -> None:
    """Something else than a fitted model is a ModelError."""
    with pytest.raises(ModelError, match="calibration"):
        CumulativeLink.from_json({"slope": 1.0})


@pytest.mark.parametrize(
    ("scores", "grades", "message"),
    [
        ([], [], "give one score a grade"),
        ([1.0, 2.0], [1], "give one score a grade"),
        ([1.0, float("nan")], [0, 1], "not finite"),
        ([1.0, 2.0], [0, 4], "grade 4 is outside scale 0-3"),
    ],
)
def test_unusable_input_is_refused(scores: list[float], grades: list[int], message: str) -> None:
    """Nothing is fitted to bad input."""
    with pytest.raises(DataError, match=message):
        CumulativeLink.fit(scores, grades, SCALE)


def test_a_scale_that_starts_at_one_works() -> None:
    """Grades 1-4 are cut and fitted as grades 0-3 are."""
    scores, grades = _sample(3.0, [-1.0, 0.0, 1.0], 1_000)
    cuts = matching_thresholds(scores, grades + 1, SCALES["1-4"])
    assert np.bincount(grade_scores(scores, cuts, SCALES["1-4"]), minlength=5)[1:] == pytest.approx(
        np.bincount(grades, minlength=4), abs=2
    )


def test_a_score_on_the_cut_gets_the_higher_grade() -> None:
    """Cuts belong to the grade above them."""
    assert grade_scores([0.9, 1.0, 5.0], (1.0, 2.0, 3.0), SCALE).tolist() == [0, 1, 3]
