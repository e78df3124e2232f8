"""Reranking within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.rerank.cross.document_vectors import Vectors
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.deadline import rerank_within
from relsearch.stats.logistic import Logistic


class FakeStages:
    """The prior of a text is its first number, the residual its second; so many of each are reached."""

    calibration = Logistic()

    def __init__(self, *, priors: int = 1000, residuals: int = 1000) -> None:
        self.priors = priors
        self.residuals = residuals

    def priors_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """The first texts have a prior."""
        return {place: float(text.split()[0]) for place, text in enumerate(texts[: self.priors])}

    def residuals_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """The first texts are read."""
        return {place: float(text.split()[1]) for place, text in enumerate(texts[: self.residuals])}


TEXTS = ["1 5", "2 0", "3 0", "4 -9"]
Numbers = st.integers(-9, 9)


def test_in_time_the_order_is_that_of_the_sums() -> None:
    """With everything read, scores are calibrated sums."""
    found = rerank_within(FakeStages(), "q", TEXTS, budget_ms=50)
    assert (found.order, found.reached) == ((0, 2, 1, 3), 4)
    assert found.scores == pytest.approx(Logistic().probabilities([6, 3, 2, -5]))


def test_the_most_promising_are_read_first() -> None:
    """Two are read, those of the highest prior; the others follow in the prior's order."""
    found = rerank_within(FakeStages(residuals=2), "q", TEXTS, budget_ms=50)
    assert (found.order, found.reached) == ((2, 3, 1, 0), 2)


def test_without_every_prior_the_search_decides() -> None:
    """Where one text has no vector, texts are read in the order of the search, and follow in it."""
    found = rerank_within(FakeStages(priors=3, residuals=2), "q", TEXTS, budget_ms=50)
    assert (found.order, found.reached) == ((0, 1, 2, 3), 2)


def test_with_no_time_the_order_below_stays() -> None:
    """Nothing is read, nothing is lost."""
    found = rerank_within(FakeStages(residuals=0), "q", TEXTS, budget_ms=50)
    assert (found.order, found.reached) == ((3, 2, 1, 0), 0)
    assert rerank_within(FakeStages(), "q", [], budget_ms=50).order == ()


@given(st.lists(st.tuples(Numbers, Numbers), max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_an_order_is_a_permutation_with_falling_scores(
    numbers: list[tuple[int, int]], priors: int, residuals: int
) -> None:
    """Whatever is reached, each text has one place, and scores in (0, 1) fall along the order."""
    texts = [f"{prior} {residual}" for prior, residual in numbers]
    found = rerank_within(FakeStages(priors=priors, residuals=residuals), "q", texts, budget_ms=50)
    assert sorted(found.order) == list(range(len(texts)))
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert all(0 < score < 1 for score in found.scores)


def test_a_bundle_with_time_enough_gives_its_scores(tiny_bundles: dict[str, Path]) -> None:
    """A long budget gives the order and scores of `score`; equal texts stay beside each other."""
    scorer = OnnxScorer.open(tiny_bundles["fp32"], workers=2)
    texts = ["a cat purrs", "sea water", "a cat purrs", "green tea is steeped", ""]
    found = scorer.rerank("why does a cat purr", texts, budget_ms=60_000)
    scores = scorer.score("why does a cat purr", texts)
    assert found.reached == 5
    assert found.order == tuple(sorted(range(5), key=lambda place: (-scores[place], place)))
    assert found.scores == pytest.approx(sorted(scores, reverse=True), abs=1e-6)


def test_a_bundle_without_time_gives_the_cosine_order(tiny_bundles: dict[str, Path]) -> None:
    """Prepared documents are ordered by the prior even where nothing can be read."""
    scorer = OnnxScorer.open(tiny_bundles["fp32"], workers=2)
    texts = ["sea water", "a cat purrs", "green tea is steeped", "sea salt"]
    scorer.prepare(texts)
    scorer.warm_up()
    found = scorer.rerank("why does a cat purr", texts, budget_ms=0)
    priors = scorer.prior_logits([("why does a cat purr", text) for text in texts])
    assert found.reached == 0
    assert found.order == tuple(sorted(range(4), key=lambda place: -priors[place]))


def test_unknown_documents_without_time_keep_their_order(tiny_bundles: dict[str, Path]) -> None:
    """A document without a vector is not encoded when there is no time."""
    scorer = OnnxScorer.open(tiny_bundles["fp32"], workers=2)
    assert scorer.rerank("why", ["sea", "cat", "tea"], budget_ms=0).order == (0, 1, 2)


class _Outrun(OnnxScorer):
    """Another search reads the same documents while this one does."""

    def _encode_until(self, texts: list[str], deadline: float) -> dict[int, Vectors]:
        self.prepare(texts[:2])
        return super()._encode_until(texts, deadline)


def test_searches_at_once_may_read_the_same_documents(tiny_bundles: dict[str, Path]) -> None:
    """Vectors that another search kept meanwhile are those of this one, too."""
    texts = ["sea water", "a cat purrs", "green tea is steeped"]
    found = _Outrun.open(tiny_bundles["fp32"], workers=2).rerank("why does a cat purr", texts, budget_ms=60_000)
    alone = OnnxScorer.open(tiny_bundles["fp32"], workers=2).rerank("why does a cat purr", texts, budget_ms=60_000)
    assert (found.reached, found.order) == (3, alone.order)
    assert found.scores == pytest.approx(alone.scores, abs=1e-6)
