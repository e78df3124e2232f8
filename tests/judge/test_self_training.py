"""A reranker as a judge of pools."""

from __future__ import annotations

import polars as pl
import pytest

from relsearch.core.errors import DataError
from relsearch.core.query_pool import QueryPool, pools_of
from relsearch.core.tables import CANDIDATES
from relsearch.core.types import SCALES, Pair
from relsearch.judge.self_training import FirstStage, Ranks, RerankerJudge
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from tests.judge.conftest import OneWordScorer, judge_pairs

QUERY = "deep sea tides"
TEXTS = {"a": "deep sea tides", "b": "the deep sea", "c": "sea", "d": "tea", "e": "a cup of tea"}
GRADES = {"a": 3, "b": 2, "c": 1, "d": 0, "e": 0}
PAIRS = [Pair(query, doc, QUERY, text) for query in ("q1", "q2") for doc, text in TEXTS.items()]
# The search found `e` best, and of q2 only `e` and `a`.
RUN = pl.DataFrame(
    [("q1", doc, rank, 10.0 - rank, "bm25") for rank, doc in enumerate("edcba", 1)]
    + [("q2", doc, rank, 10.0 - rank, "bm25") for rank, doc in enumerate("ea", 1)],
    schema=dict(CANDIDATES),
    orient="row",
)


def judge_with(mix: Interpolation, *, about: str = "this one") -> RerankerJudge:
    """A judge whose thresholds are fitted on the pairs' own grades."""
    ranks = Ranks(OneWordScorer(), FirstStage(RUN), mix)
    grades = [GRADES[pair.doc_id] for pair in PAIRS]
    return RerankerJudge.fit(ranks, pools_of(PAIRS), grades, scale=SCALES["0-3"], aim="frequency", seed=1, about=about)


def test_it_grades_by_its_scores() -> None:
    """A better score is at least as good a grade, and the probabilities say so too; order changes nothing."""
    judge = judge_with(NO_INTERPOLATION)
    found = judge_pairs(judge, PAIRS)
    assert [one.grade for one in found] == [GRADES[pair.doc_id] for pair in PAIRS]
    expected = [one.expected or 0.0 for one in found[:4]]
    assert expected == sorted(expected, reverse=True)
    backwards = judge_pairs(judge, PAIRS[::-1])[::-1]
    assert [one.expected for one in backwards] == pytest.approx([one.expected for one in found])


def test_the_searchs_scores_count() -> None:
    """With weight enough the search's favourite is graded best; what the search did not find counts as its lowest."""
    found = {
        (one.query_id, one.doc_id): one.expected or 0.0 for one in judge_pairs(judge_with(Interpolation(9.0)), PAIRS)
    }
    assert max((doc for doc in TEXTS), key=lambda doc: found["q1", doc]) == "e"
    assert FirstStage(RUN).scores(pools_of(PAIRS)[1]) == [8.0, 8.0, 8.0, 8.0, 9.0]
    assert FirstStage(RUN).scores(QueryPool("q3", QUERY, ("a",), ("sea",))) == [0.0]


def test_what_it_does_not_read_is_counted() -> None:
    """Each text that the scorer cuts counts, those of fitting not."""
    judge = judge_with(NO_INTERPOLATION)
    before = judge.truncated
    judge_pairs(judge, PAIRS[:5])
    assert judge.truncated - before == 3


def test_labels_are_known_by_what_made_them() -> None:
    """Another reranker or other weights beside it give another fingerprint; the same give the same."""
    assert judge_with(NO_INTERPOLATION).fingerprint == judge_with(NO_INTERPOLATION).fingerprint
    assert judge_with(NO_INTERPOLATION).fingerprint != judge_with(NO_INTERPOLATION, about="another").fingerprint


def test_it_needs_held_out_labels() -> None:
    """Without any there are no thresholds."""
    ranks = Ranks(OneWordScorer(), FirstStage(RUN), NO_INTERPOLATION)
    with pytest.raises(DataError, match="no held-out pair"):
        RerankerJudge.fit(ranks, pools_of(PAIRS), [None] * 10, scale=SCALES["0-3"], aim="kappa", seed=1, about="")


def test_a_query_may_have_a_reranker_that_left_it_out() -> None:
    """By the search's scores q2 is graded, and by them its thresholds are fitted; q1 by the scorer alone."""
    search = Ranks(OneWordScorer(), FirstStage(RUN), Interpolation(9.0))
    grades = [GRADES[pair.doc_id] for pair in PAIRS]
    alone = Ranks(OneWordScorer(), FirstStage(RUN), NO_INTERPOLATION)
    judge = RerankerJudge.fit(
        alone,
        pools_of(PAIRS),
        grades,
        scale=SCALES["0-3"],
        aim="frequency",
        seed=1,
        about="",
        by_query={"q2": search},
    )
    expected = {(one.query_id, one.doc_id): one.expected or 0.0 for one in judge_pairs(judge, PAIRS)}
    best = {query: max((expected[query, doc], doc) for doc in TEXTS)[1] for query in ("q1", "q2")}
    assert best == {"q1": "a", "q2": "e"}
