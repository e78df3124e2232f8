"""The bootstrap over queries."""

from __future__ import annotations

import numpy as np
import pytest

from relsearch.stats.bootstrap import Figure, figures_json, figures_table, query_draws


def test_a_resample_draws_as_many_queries_as_there_are() -> None:
    """Rows sum to the number of queries, and the seed decides them."""
    draws = query_draws(7, resamples=50, seed=3)
    assert draws.shape == (50, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert (draws == query_draws(7, resamples=50, seed=3)).all()
    assert (draws != query_draws(7, resamples=50, seed=4)).any()


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    """On many values the percentile interval is 1.96 standard errors wide on each side."""
    values = np.random.default_rng(1).normal(size=400)
    figure = Figure.from_resamples(values.mean(), query_draws(400, resamples=4000, seed=1) @ values / 400)
    error = 1.96 * values.std() / 20
    assert (figure.value - figure.low, figure.high - figure.value) == pytest.approx((error, error), rel=0.1)


def test_an_undefined_value_has_no_figure() -> None:
    """A value that is not a number gives None, resamples that are not are left out."""
    assert Figure.from_resamples_or_none(float("nan"), [1.0]) is None
    assert Figure.from_resamples_or_none(1.0, [1.0, float("nan")]) == Figure(1.0, 1.0, 1.0)


def test_a_single_query_is_not_resampled() -> None:
    """Its value has no interval, which is null in JSON."""
    draws = query_draws(1, resamples=50, seed=3)
    assert draws.shape == (0, 1)
    figure = Figure.from_resamples(0.5, draws @ np.array([0.5]))
    assert figure.to_json() == {"value": 0.5, "low": None, "high": None}


def test_figures_that_are_not_defined_are_null_and_a_dash() -> None:
    """In JSON and in the table."""
    figures = {"kappa": None, "mae": Figure(0.5, float("nan"), float("nan")), "auc": Figure(0.5, 0.25, 0.75)}
    assert figures_json(figures)["kappa"] is None
    rows = [line.split() for line in figures_table(figures, ["", "value", "95 % CI"]).splitlines()[2:]]
    assert rows == [["kappa", "-", "-"], ["mae", "0.500", "-"], ["auc", "0.500", "0.250", "-", "0.750"]]
