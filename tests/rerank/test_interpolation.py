"""Score interpolation: the first stage's scores, and pseudo-relevance feedback."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import ConfigError
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation, prf_vectors
from relsearch.rerank.reranker import Reranker
from tests.rerank.test_reorder import LengthScorer

_PAIRS = st.lists(st.tuples(st.floats(0.001, 0.999), st.floats(0, 100)), min_size=2, max_size=8)


def _order(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))


def test_without_weight_nothing_changes() -> None:
    """Bit for bit."""
    assert NO_INTERPOLATION.interpolate([0.1, 0.7], [3.0, 1.0]) == [0.1, 0.7]
    assert Interpolation(0.5).interpolate([], []) == []


def test_a_close_call_follows_the_first_stage_and_a_clear_one_the_reranker() -> None:
    """The third document stays on top; the first two change places."""
    scores, first = [0.50, 0.51, 0.99], [20.0, 5.0, 10.0]
    assert _order(scores) == [2, 1, 0]
    assert _order(Interpolation(0.2).interpolate(scores, first)) == [2, 0, 1]


def test_a_heavy_weight_gives_the_first_stages_order() -> None:
    """As it should in the limit."""
    assert _order(Interpolation(1000.0).interpolate([0.2, 0.5, 0.9], [3.0, 2.0, 1.0])) == [0, 1, 2]


def test_equal_first_stage_scores_change_no_order() -> None:
    """A filter gives every document the same score."""
    assert Interpolation(0.5).interpolate([0.2, 0.9], [1.0, 1.0]) == pytest.approx([0.2, 0.9])

    assert Interpolation(0.5).interpolate([0.2, 0.9, 0.5], [0.1] * 3) == pytest.approx([0.2, 0.9, 0.5])


def test_two_candidates_are_as_like_one_another() -> None:
    """Their order does not count: one product of two vectors is summed in two orders."""
    vectors = np.random.default_rng(2).normal(size=(2, 384))
    for scores in ([0.2, 0.9], [0.7, 0.4]):
        found = Interpolation(prf=0.3).interpolate(scores, [0.0, 0.0], vectors=lambda: vectors)
        assert found == pytest.approx(scores)


@given(_PAIRS, st.floats(0, 5), st.floats(0.1, 50), st.floats(-20, 20))
def test_scores_are_probabilities_and_the_first_stages_scale_does_not_count(
    pairs: list[tuple[float, float]], mix: float, scale: float, shift: float
) -> None:
    """BM25's numbers differ by engine, by a factor and an offset."""
    scores, first = ([pair[part] for pair in pairs] for part in (0, 1))
    if max(first) - min(first) < 1e-3:
        first = [float(place) for place in range(len(first))]
    found = Interpolation(mix).interpolate(scores, first)
    assert all(0 < score < 1 for score in found)
    assert found == pytest.approx(
        Interpolation(mix).interpolate(scores, [scale * score + shift for score in first]), rel=1e-4, abs=1e-6
    )


def test_as_many_scores_as_first_stage_scores() -> None:
    """A mismatch is a mistake of the caller's."""
    with pytest.raises(ValueError, match="2 scores for 1"):
        Interpolation(0.5).interpolate([0.1, 0.2], [1.0])


def test_what_is_like_the_best_moves_up() -> None:
    """Of two documents with one score, the one beside the best goes first; the best gains nothing by itself."""
    vectors = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    found = Interpolation(prf=0.3).interpolate([0.5, 0.5, 0.9], [1.0, 1.0, 1.0], vectors=lambda: vectors)
    assert _order(found) == [2, 1, 0]
    assert all(0 < score < 1 for score in found)


def test_a_candidate_alone_keeps_its_score() -> None:
    """There is nothing that it could be like."""
    vectors = np.array([[0.6, 0.8]])
    assert Interpolation(0.2, 0.3).interpolate([0.3], [1.0], vectors=lambda: vectors) == pytest.approx([0.3])


def test_a_scorer_without_vectors_gives_no_feedback() -> None:
    """A cross-encoder is told of by name, and asked for none without a weight."""
    with pytest.raises(ConfigError, match="cross-encoder"):
        Reranker(LengthScorer(), interpolation=Interpolation(prf=0.3))
    assert prf_vectors(LengthScorer(), ["a"], Interpolation(0.2)) is None


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    """Either of the two, by name."""
    with pytest.raises(ConfigError, match="mix"):
        Interpolation(weight)
    with pytest.raises(ConfigError, match="prf"):
        NO_INTERPOLATION.replace(prf=weight)


def test_the_first_stage_weighs_more_where_less_was_read() -> None:
    """From 1 for hardly anything to its own weight for all; one above 1 stays, and so does feedback's."""
    weights = Interpolation(0.2, 0.3)
    assert weights.partly_read(1.0) == weights
    assert weights.partly_read(0.5) == Interpolation(0.4, 0.3)
    assert weights.partly_read(1e-9).first_stage == pytest.approx(0.6)
    assert Interpolation(2.0).partly_read(0.1) == Interpolation(2.0)
