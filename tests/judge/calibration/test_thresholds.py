"""Cuts fitted on held-out queries: each aim wins at its own measure."""

from __future__ import annotations

import time
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from relsearch.core.errors import DataError
from relsearch.core.settings.config import Aim
from relsearch.core.types import SCALES
from relsearch.judge.calibration.thresholds import fit_thresholds
from relsearch.stats.ordinal import grade_scores

SCALE = SCALES["0-3"]
AIMS: tuple[Aim, ...] = ("kappa", "mae", "frequency")


def _sample(pairs: int, *, queries: int = 40) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Grades of unequal frequency, and scores that follow them with much noise."""
    rng = np.random.default_rng(3)
    grades = rng.choice(4, size=pairs, p=[0.55, 0.2, 0.18, 0.07])
    scores = grades + rng.normal(scale=1.2, size=pairs)
    return scores, grades, [f"q{row % queries}" for row in range(pairs)]


def _kappa(scores: np.ndarray, grades: np.ndarray, cuts: tuple[float, ...]) -> float:
    return float(cohen_kappa_score(grades, grade_scores(scores, cuts, SCALE)))


def _mae(scores: np.ndarray, grades: np.ndarray, cuts: tuple[float, ...]) -> float:
    return float(np.abs(grades - grade_scores(scores, cuts, SCALE)).mean())


def _frequency_error(scores: np.ndarray, grades: np.ndarray, cuts: tuple[float, ...]) -> float:
    judged = np.bincount(grade_scores(scores, cuts, SCALE), minlength=4)
    return float(np.abs(judged - np.bincount(grades, minlength=4)).sum())


@pytest.mark.parametrize("aim", AIMS)
def test_separable_grades_are_told_apart(aim: Aim) -> None:
    """Where scores determine grades, every aim finds the cuts that do."""
    _, grades, queries = _sample(300)
    scores = grades + np.linspace(0.0, 0.5, 300)
    cuts = fit_thresholds(scores, grades, queries, SCALE, aim=aim, seed=1)
    assert grade_scores(scores, cuts, SCALE).tolist() == grades.tolist()


def test_each_aim_wins_at_its_own_measure() -> None:
    """On the fitting data no other aim has a better kappa, error or match of frequencies."""
    scores, grades, queries = _sample(3000)
    found = {aim: fit_thresholds(scores, grades, queries, SCALE, aim=aim, seed=1) for aim in AIMS}
    assert max(AIMS, key=lambda aim: _kappa(scores, grades, found[aim])) == "kappa"
    assert min(AIMS, key=lambda aim: _mae(scores, grades, found[aim])) == "mae"
    assert min(AIMS, key=lambda aim: _frequency_error(scores, grades, found[aim])) == "frequency"


def test_the_search_for_kappa_finds_the_best_cuts() -> None:
    """With one query there is nothing to resample, and the search equals trying all cuts."""
    scores, grades, _ = _sample(16)
    cuts = fit_thresholds(scores, grades, ["q"] * 16, SCALE, aim="kappa", seed=1)
    places = [*np.sort(scores), scores.max() + 1]
    best = max(_kappa(scores, grades, three) for three in combinations_with_replacement(places, 3))
    assert _kappa(scores, grades, cuts) == pytest.approx(best)


def test_smoothing_generalises_to_other_queries() -> None:
    """Cuts fitted for kappa on twenty queries keep most of their kappa on others, above that of the frequencies."""
    scores, grades, queries = _sample(6000)
    fitted = slice(0, 1000)
    cuts = fit_thresholds(scores[fitted], grades[fitted], queries[fitted], SCALE, aim="kappa", seed=1)
    frequency = fit_thresholds(scores[fitted], grades[fitted], queries[fitted], SCALE, aim="frequency", seed=1)
    rest = (scores[1000:], grades[1000:])
    assert _kappa(*rest, cuts) > _kappa(*rest, frequency)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 4)), min_size=1, max_size=30), st.sampled_from(AIMS))
def test_cuts_are_finite_and_in_order(points: list[tuple[int, int]], aim: Aim) -> None:
    """Tied scores, absent grades and a scale that starts at 1 still give three ordered cuts."""
    scores, grades = [float(score) for score, _ in points], [grade for _, grade in points]
    queries = [f"q{row % 4}" for row in range(len(points))]
    cuts = fit_thresholds(scores, grades, queries, SCALES["1-4"], aim=aim, seed=1)
    assert len(cuts) == 3
    assert np.isfinite(cuts).all()
    assert list(cuts) == sorted(cuts)


def test_the_same_input_gives_the_same_cuts_quickly() -> None:
    """Five thousand pairs take under five seconds, and twice the same cuts come out."""
    scores, grades, queries = _sample(5000)
    started = time.process_time()
    first = fit_thresholds(scores, grades, queries, SCALE, aim="kappa", seed=1)
    assert time.process_time() - started < 5
    assert fit_thresholds(scores, grades, queries, SCALE, aim="kappa", seed=1) == first


def test_a_query_id_for_each_score_is_needed() -> None:
    """Too few query ids are refused."""
    with pytest.raises(DataError, match="1 query ids for 2 scores"):
        fit_thresholds([0.0, 1.0], [0, 1], ["q"], SCALE, aim="kappa", seed=1)
