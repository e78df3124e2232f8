"""Several signals as one score: what tells grades apart counts, what does not is left out."""

from __future__ import annotations

import numpy as np
import pytest

from relsearch.core.errors import DataError
from relsearch.core.types import Scale
from relsearch.judge.calibration.blend import Blend, Floats


@pytest.fixture(scope="module")
def levels() -> Floats:
    """A grade 0-3 for each of 400 pairs."""
    return np.random.default_rng(1).integers(0, 4, size=400).astype(np.float64)


@pytest.fixture(scope="module")
def noise() -> Floats:
    """Standard normal noise for 400 pairs and three columns."""
    return np.random.default_rng(2).normal(size=(400, 3))


def _fit(*columns: Floats, grades: Floats, scale: Scale) -> Blend:
    names = [f"column-{number}" for number in range(len(columns))]
    return Blend.fit(names, np.column_stack(columns), grades.astype(int), scale)


def test_an_informative_column_counts_and_noise_does_not(levels: Floats, noise: Floats, scale: Scale) -> None:
    """The weight of what follows the grades is large, that of noise near 0."""
    informative, useless = _fit(levels + noise[:, 0], noise[:, 1], grades=levels, scale=scale).weights
    assert informative > 1.0
    assert useless < 0.2


def test_the_sharper_of_two_signals_weighs_more(levels: Floats, noise: Floats, scale: Scale) -> None:
    """Both count, each by what it tells, and together they order pairs better than either alone."""
    sharp, blunt = levels + 0.7 * noise[:, 0], levels + 1.4 * noise[:, 1]
    blend = _fit(sharp, blunt, grades=levels, scale=scale)
    assert blend.weights[0] > blend.weights[1] > 0.2
    together = np.corrcoef(blend.scores(np.column_stack([sharp, blunt])), levels)[0, 1]
    assert together > max(np.corrcoef(column, levels)[0, 1] for column in (sharp, blunt))


def test_a_blend_counts_by_how_much_one_column_exceeds_another(levels: Floats, noise: Floats, scale: Scale) -> None:
    """What both share and the grades do not follow is taken off."""
    shared = 3 * noise[:, 1]
    columns = np.column_stack([levels + shared + 0.3 * noise[:, 0], shared])
    blend = Blend.fit(("both", "shared"), columns, levels.astype(int), scale)
    assert blend.weights[0] > 0 > blend.weights[1]
    found, alone = (np.corrcoef(scores, levels)[0, 1] for scores in (blend.scores(columns), columns[:, 0]))
    assert found > alone + 0.3


def test_units_do_not_matter(levels: Floats, noise: Floats, scale: Scale) -> None:
    """A column in other units gives the same scores, for columns are standardised."""
    first, second = levels + noise[:, 0], levels + noise[:, 1]
    plain = _fit(first, second, grades=levels, scale=scale).scores(np.column_stack([first, second]))
    first = 1000.0 * first - 7.0
    scaled = _fit(first, second, grades=levels, scale=scale).scores(np.column_stack([first, second]))
    np.testing.assert_allclose(scaled, plain, atol=1e-6)


def test_a_single_column_has_weight_one(levels: Floats, noise: Floats, scale: Scale) -> None:
    """The slope of a lone signal is left to the link, so its scores are its standardised values."""
    column = levels + noise[:, 0]
    blend = _fit(column, grades=levels, scale=scale)
    assert blend.weights == (1.0,)
    np.testing.assert_allclose(blend.scores(column[:, None]), (column - column.mean()) / column.std())


def test_no_column_gives_zero_scores(levels: Floats, scale: Scale) -> None:
    """Without evidence every pair starts alike."""
    nothing = np.zeros((len(levels), 0))
    blend = Blend.fit((), nothing, levels.astype(int), scale)
    np.testing.assert_array_equal(blend.scores(nothing), np.zeros(len(levels)))


@pytest.mark.parametrize("value", [5.0, 0.1])
def test_a_constant_column_is_harmless(levels: Floats, noise: Floats, scale: Scale, value: float) -> None:
    """A column that never varies has no deviation to divide by, and adds nothing."""
    constant = np.full(len(levels), value)
    columns = np.column_stack([levels + noise[:, 0], constant])
    blend = Blend.fit(("signal", "constant"), columns, levels.astype(int), scale)
    scores = blend.scores(columns)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(blend.scores(columns + np.array([0.0, 1.0])) - scores, blend.weights[1], atol=1e-9)
    assert blend.weights[1] < 1e-3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_named(levels: Floats, noise: Floats, scale: Scale, value: float) -> None:
    """The error says which column to mend."""
    columns = noise[:, :2].copy()
    columns[17, 1] = value
    with pytest.raises(DataError, match="a value of second is not finite"):
        Blend.fit(("first", "second"), columns, levels.astype(int), scale)


@pytest.mark.parametrize("shape", [(400, 1), (399, 2), (0, 2)])
def test_values_must_fit_grades_and_columns(levels: Floats, scale: Scale, shape: tuple[int, int]) -> None:
    """Another number of rows or columns than said is an error, and so is no pair at all."""
    with pytest.raises(DataError, match="values for"):
        Blend.fit(("first", "second"), np.zeros(shape), levels.astype(int), scale)


@pytest.mark.parametrize("shape", [(400, 1), (400, 3), (2,), (400, 2, 1)])
def test_scores_need_the_columns_that_were_fitted(
    levels: Floats, noise: Floats, scale: Scale, shape: tuple[int]
) -> None:
    """One column too few would be spread over all weights, and nobody would know."""
    blend = _fit(levels + noise[:, 0], noise[:, 1], grades=levels, scale=scale)
    with pytest.raises(DataError, match="blend of column-0, column-1: values are"):
        blend.scores(np.zeros(shape))


def test_no_pairs_cannot_be_fitted(scale: Scale) -> None:
    """An empty set of grades teaches nothing."""
    with pytest.raises(DataError, match="0 grades"):
        Blend.fit(("first",), np.zeros((0, 1)), [], scale)


def test_a_blend_survives_json(levels: Floats, noise: Floats, scale: Scale) -> None:
    """What a card holds gives the same scores, to the last bit."""
    blend = _fit(levels + noise[:, 0], noise[:, 1], grades=levels, scale=scale)
    again = Blend.model_validate_json(blend.model_dump_json())
    assert again == blend
    np.testing.assert_array_equal(again.scores(noise[:, :2]), blend.scores(noise[:, :2]))
