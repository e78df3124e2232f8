"""Which candidates are worth reading next."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import ConfigError, ModelError
from relsearch.rerank.reading_order import STEP, ReadingOrder, read_some
from relsearch.rerank.reranker import Reranker
from tests.rerank.fake_scorer import OverlapScorer

QUERY = "steep green tea"
TEA = "green tea leaves steep in water"
# The search puts two documents on tea into its first four, and the others last.
TEXTS = [TEA, "tides", "the moon", f"{TEA} again", *(f"harbour number {turn}" for turn in range(12)), f"hot {TEA}"]


def test_what_resembles_the_best_comes_first() -> None:
    """The last document shares its words with the two that scored well; the rest keeps the order of the search."""
    order = ReadingOrder(TEXTS).best_first({0: 2.0, 1: -2.0, 2: -1.0, 3: 1.5})
    assert order == [16, *range(4, 16)]


@pytest.mark.parametrize(
    "texts", [["绿茶怎么泡", "潮汐", "月亮", "港口", "港口船", "泡绿茶"], ["", "", "", "", "", ""]]
)
def test_any_text_has_words(texts: list[str]) -> None:
    """Scripts without spaces are compared, too; texts without any word keep their order."""
    order = ReadingOrder(texts).best_first({0: 2.0, 1: -2.0, 2: -1.0, 3: -2.0})
    assert order == ([5, 4] if texts[0] else [4, 5])


def test_at_first_the_search_decides() -> None:
    """Fewer than STEP scores say too little."""
    few = {place: float(-place) for place in range(STEP - 1)}
    assert ReadingOrder(TEXTS).best_first(few) == list(range(STEP - 1, len(TEXTS)))


@given(st.lists(st.text("ab 茶", max_size=6), min_size=10, max_size=20), st.lists(st.floats(-5, 5), min_size=9))
def test_thinking_again_is_thinking_anew(texts: list[str], scores: list[float]) -> None:
    """Scores that come one after the other lead to the order of those that come together, but for rounding."""
    order = ReadingOrder(texts)
    logits: dict[int, float] = {}
    for place, score in enumerate(scores[:9]):
        logits[place] = round(score, 1)
        found = order.best_first(logits)
    assert found == ReadingOrder(texts).best_first(logits)


def test_many_long_texts_are_ordered_soon() -> None:
    """A window of 1,000 texts in Chinese takes a tenth of a second, so that a search can afford it."""
    signs = np.random.default_rng(0).integers(0x4E00, 0x5800, (1000, 500)).tolist()
    texts = ["".join(map(chr, each)) for each in signs]
    order = ReadingOrder(texts)
    began = time.process_time()
    found = order.best_first({0: 2.0, 1: -2.0, 2: -1.0, 3: 1.5})
    assert time.process_time() - began < 1.5
    assert sorted(found) == list(range(4, 1000))


@given(st.lists(st.text("ab 茶", max_size=6), max_size=20), st.integers(1, 25))
def test_no_more_are_read_than_asked_for(texts: list[str], most: int) -> None:
    """Each text at most once, and all where there are no more."""
    read: list[str] = []

    def score(some: Sequence[str]) -> list[float]:
        read.extend(some)
        return [(1 + len(text)) / 10 for text in some]

    found = read_some(texts, most, score)
    assert len(read) == len(set(read)) == min(most, len(set(texts)))
    assert list(found) == [place for place, text in enumerate(texts) if text in read]
    assert all(found[place] == (1 + len(texts[place])) / 10 for place in found)


def test_a_reranker_reads_the_promising_ones() -> None:
    """It finds the last document by reading five of seventeen; what it did not read keeps its order."""
    found = Reranker(OverlapScorer(), reads=STEP + 1).rank(QUERY, TEXTS)
    places = [each.index for each in found]
    assert places[:3] == [0, 3, 16]
    assert [place for place in places if 4 <= place < 16] == [*range(4, 16)]
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


def test_a_text_that_comes_twice_is_read_once() -> None:
    """Four copies of the first document leave the reads to others, and score as it does."""
    found = Reranker(OverlapScorer(), reads=STEP + 1).rank(QUERY, [TEA] * 4 + TEXTS[1:])
    assert [each.index for each in found][:6] == [0, 1, 2, 3, 6, 19]
    assert len({each.score for each in found[:4]}) == 1


def test_reading_all_changes_nothing() -> None:
    """Neither scores nor order."""
    assert Reranker(OverlapScorer(), reads=17).rank(QUERY, TEXTS) == Reranker(OverlapScorer()).rank(QUERY, TEXTS)
    assert not Reranker(OverlapScorer(), reads=3).rank(QUERY, [])


@pytest.mark.parametrize("given_scores", [[], [0.5] * 9, [float("nan")] * 4])
def test_scores_that_are_none_are_refused(given_scores: list[float]) -> None:
    """Too few, too many and those that are not finite, as where all are read."""

    class Broken:
        def score(self, query: str, texts: Sequence[str]) -> list[float]:
            return given_scores

    with pytest.raises(ModelError, match=f"gave {len(given_scores)} scores for 4 texts, or one not finite"):
        Reranker(Broken(), reads=5).rank(QUERY, TEXTS)


def test_nothing_read_is_nothing_reranked() -> None:
    """So it is refused."""
    with pytest.raises(ConfigError, match="reads is 0; give 1 or more"):
        Reranker(OverlapScorer(), reads=0)
