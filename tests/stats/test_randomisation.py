"""The paired randomisation test: SciPy's figures, for one query as well."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from relsearch.stats.randomisation import randomisation_p

ALTERNATIVES: tuple[Literal["two-sided", "greater"], ...] = ("two-sided", "greater")


@settings(max_examples=20)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.1, 1 / 3, 0.5, 0.9]), min_size=2, max_size=40), st.integers(0, 99))
def test_figures_are_those_of_scipy(differences: list[float], seed: int) -> None:
    """To the last digit, exact and drawn, with ties among the means."""
    values = np.array(differences)
    for alternative in ALTERNATIVES:
        expected = permutation_test(
            (values,),
            np.mean,
            permutation_type="samples",
            n_resamples=9999,
            alternative=alternative,
            rng=np.random.default_rng(seed),
            vectorized=True,
        )
        assert randomisation_p(values, alternative=alternative, seed=seed) == expected.pvalue


@pytest.mark.slow
def test_batches_change_nothing() -> None:
    """On 3,000 queries draws come in batches; SciPy draws them at once."""
    values = np.random.default_rng(1).normal(0.01, 1, size=3000)
    expected = permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        n_resamples=9999,
        rng=np.random.default_rng(7),
        batch=500,
        vectorized=True,
    )
    assert randomisation_p(values, alternative="two-sided", seed=7) == expected.pvalue


@pytest.mark.parametrize("queries", range(1, 6))
def test_p_is_at_least_one_over_two_to_the_queries(queries: int) -> None:
    """Where all differences are above 0, the observed signs are one of 2^n; a single query is no error."""
    assert randomisation_p(np.full(queries, 0.5), alternative="greater", seed=1) == 1 / 2**queries
    assert randomisation_p(np.full(queries, -0.5), alternative="greater", seed=1) == 1


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("queries", [3, 30])
def test_a_difference_that_is_not_a_number_has_no_p(alternative: Literal["two-sided", "greater"], queries: int) -> None:
    """Nor is it significant."""
    values = np.append(np.ones(queries), np.nan)
    assert np.isnan(randomisation_p(values, alternative=alternative, seed=1))
