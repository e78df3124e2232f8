"""A second reranker for the head of what a first one ordered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import ConfigError
from relsearch.rerank.cascade import Cascade
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker
from tests.rerank.test_reorder import LengthScorer, run_of

TEXTS = ["a", "bbbb", "cc", "ddd"]
FIRST = [0.9, 0.2, 0.6, 0.4]


def _ranked(scores: Sequence[float]) -> list[str]:
    return [text for _, text in sorted(zip(scores, TEXTS, strict=True), reverse=True)]


@pytest.mark.parametrize(
    ("size", "order"),
    [(1, ["a", "cc", "ddd", "bbbb"]), (3, ["ddd", "cc", "a", "bbbb"]), (9, ["bbbb", "ddd", "cc", "a"])],
)
def test_the_head_alone_is_read_again(size: int, order: list[str]) -> None:
    """What the first one put below it follows in its order, whatever its own scores were."""
    assert _ranked(Cascade(Reranker(LengthScorer()).score_pool, size).rescore("q", TEXTS, FIRST)) == order


def test_the_first_one_s_scores_can_be_mixed_in() -> None:
    """With enough weight its order comes back."""
    assert _ranked(
        Cascade(Reranker(LengthScorer(), interpolation=Interpolation(9.0)).score_pool, 3).rescore("q", TEXTS, FIRST)
    ) == [
        "a",
        "cc",
        "ddd",
        "bbbb",
    ]


@given(st.lists(st.floats(0, 1), max_size=8), st.integers(1, 9))
def test_no_candidate_is_lost(first: list[float], size: int) -> None:
    """Each text has one score inside (0, 1), and all of the head stand above all below it."""
    texts = [f"{place}" * (1 + place % 3) for place in range(len(first))]
    scores = Cascade(Reranker(LengthScorer()).score_pool, size).rescore("q", texts, first)
    assert all(0 < score < 1 for score in scores)
    order = sorted(range(len(first)), key=lambda place: (-first[place], place))
    head, below = order[:size], order[size:]
    assert not below or min(scores[place] for place in head) > max(scores[place] for place in below)


def test_a_run_is_reranked_in_two_steps() -> None:
    """The second reranker orders the head of the first one's order."""
    texts = dict(zip("abcd", ["sss", "longest of all", "longer", "x"], strict=True))

    class Shortest:
        def score(self, query: str, texts: Sequence[str]) -> list[float]:
            return [1 / (1 + len(text)) for text in texts]

    both = Reranker(LengthScorer()).with_cascade(Reranker(Shortest()), 2)
    run = rerank_run(run_of(*texts), {"q": "x"}, texts, both, depth=4)
    assert run["doc_id"].to_list() == ["c", "b", "a", "d"]
    assert run["score"].is_sorted(descending=True)


@pytest.mark.parametrize("size", [0, -1])
def test_a_cascade_without_a_head_is_refused(size: int) -> None:
    """A size below 0 would read all but the last candidate."""
    with pytest.raises(ConfigError, match=f"cascade window {size}: give 1 or more"):
        Reranker(LengthScorer()).with_cascade(Reranker(LengthScorer()), size)
    with pytest.raises(ConfigError, match=f"depth {size}: give 1 or more"):
        rerank_run(run_of("a"), {"q": "x"}, {"a": "tea"}, Reranker(LengthScorer()), depth=size)


def test_bundles_that_read_documents_in_two_ways_are_refused(tiny_bundles: dict[str, Path]) -> None:
    """The texts are rendered once, as the first one reads them."""
    second = Reranker(tiny_bundles["int8"])
    assert len(Reranker(LengthScorer()).with_cascade(second, 2).score_pool("q", TEXTS, FIRST)) == len(TEXTS)
    with pytest.raises(ConfigError, match=r"'\{title\}'"):
        Reranker(LengthScorer(), "{title}").with_cascade(second, 2)
