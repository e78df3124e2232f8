"""A regression on features counts as far as it tells what the prior does not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from relsearch.core.errors import DataError
from relsearch.core.types import SCALES
from relsearch.judge.tuning.ridge import weights

_SCALE = SCALES["0-3"]
_QUERIES = [f"q{number}" for number in range(12) for _ in range(30)]


@pytest.fixture
def rng() -> np.random.Generator:
    """Numbers that are the same each time."""
    return np.random.default_rng(4)


def _grades(logits: NDArray[np.float64]) -> list[int]:
    return [int(grade) for grade in np.digitize(logits, [-0.5, 0.5, 1.5])]


def test_what_the_prior_lacks_is_learnt(rng: np.random.Generator) -> None:
    """Of many features the telling ones get the weight, whatever their size, and the sum orders better."""
    known, hidden = rng.normal(size=(2, len(_QUERIES)))
    features = rng.normal(size=(len(_QUERIES), 40))
    features[:, 7] = 1000 + 50 * hidden
    grades = _grades(known + hidden)
    found = weights(features, known, grades, _QUERIES, _SCALE, seed=1)
    assert int(np.argmax(np.abs(found * features.std(axis=0)))) == 7
    assert np.corrcoef(known + features @ found, grades)[0, 1] > 0.85 > np.corrcoef(known, grades)[0, 1] + 0.1


def test_features_that_tell_nothing_hardly_count(rng: np.random.Generator) -> None:
    """Noise does not blur the prior, though there are more features than pairs."""
    known = rng.normal(size=len(_QUERIES))
    features = rng.normal(size=(len(_QUERIES), 500))
    grades = _grades(known + 0.3 * rng.normal(size=len(_QUERIES)))
    found = weights(features, known, grades, _QUERIES, _SCALE, seed=1)
    assert (features @ found).std() < 0.1 * known.std()


@pytest.mark.parametrize("spread", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_prior_that_tells_nothing_takes_nothing_away(spread: float, seed: int) -> None:
    """Without retrieval features, or with ones that chance turned against the states, the states judge alone."""
    rng = np.random.default_rng(seed)
    noise, features = spread * rng.normal(size=len(_QUERIES)), rng.normal(size=(len(_QUERIES), 40))
    grades = _grades(features[:, 7])
    found = weights(features, noise, grades, _QUERIES, _SCALE, seed=1)
    assert np.corrcoef(noise + features @ found, grades)[0, 1] > 0.85
    assert (features @ found).std() < 20  # so that rounding stays small


def test_a_feature_without_spread_is_left_out(rng: np.random.Generator) -> None:
    """It would be divided by nothing."""
    known = rng.normal(size=len(_QUERIES))
    features = np.column_stack([np.ones(len(_QUERIES)), known + rng.normal(size=len(_QUERIES))])
    assert np.isfinite(weights(features, known, _grades(known), _QUERIES, _SCALE, seed=1)).all()


def test_grades_that_do_not_vary_within_a_query_are_no_news(rng: np.random.Generator) -> None:
    """All alike, or one document a query: nothing is divided by zero, of which numpy would warn on the terminal."""
    known, features = rng.normal(size=24), rng.normal(size=(24, 5))
    assert not weights(features, known, [1] * 24, _QUERIES[18:42], _SCALE, seed=1).any()
    queries = [f"q{number}" for number in range(24)]
    assert np.isfinite(weights(features, known, [0, 1, 2, 3] * 6, queries, _SCALE, seed=1)).all()


def test_a_single_query_is_refused(rng: np.random.Generator) -> None:
    """Nothing could say how far it holds for another one."""
    with pytest.raises(DataError, match="two queries"):
        weights(rng.normal(size=(4, 2)), rng.normal(size=4), [0, 1, 2, 3], ["q"] * 4, _SCALE, seed=1)
