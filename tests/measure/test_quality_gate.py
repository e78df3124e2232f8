"""The quality gate: a clear win passes; a tie, a loss and a gain within the margin do not; few queries cannot tell."""

from __future__ import annotations

import json

import polars as pl
import pytest

from relsearch.core.errors import DataError
from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import Candidate, Judgment
from relsearch.measure.quality_gate import Verdict, compare, queries_needed

QUERIES = [f"q{number}" for number in range(12)]
QRELS = judgments_table(Judgment(query, "best", 3, "human") for query in QUERIES)


def _run(place: int, *, lost: tuple[str, ...] = ()) -> pl.DataFrame:
    """The relevant document at this place, among nine others; at the end for the queries that are lost."""
    rows = []
    for query in QUERIES:
        docs = [f"d{number}" for number in range(9)]
        docs.insert(9 if query in lost else place - 1, "best")
        rows += [Candidate(query, doc, -float(rank), rank, "x") for rank, doc in enumerate(docs, 1)]
    return candidates_table(rows)


def _hold(
    new: pl.DataFrame, *, margin: float = 0.0, max_p: float = 0.05, queries: int = 12, **baselines: pl.DataFrame
) -> Verdict:
    qrels = QRELS.filter(pl.col("query_id").is_in(QUERIES[:queries]))
    return compare(qrels, new, baselines, measure="nDCG@10", margin=margin, max_p=max_p, seed=1)


def test_a_clear_win_passes() -> None:
    """The relevant document first, against second and third, is a win over both."""
    verdict = _hold(_run(1), bm25=_run(3), cosine=_run(2))
    assert verdict.passed
    assert [comparison.difference for comparison in verdict.comparisons] == pytest.approx([0.5, 1 - 0.63093], abs=1e-4)


def test_a_tie_and_a_loss_are_refused_and_named() -> None:
    """One baseline that is not beaten refuses, and the refusal names it, not the beaten one."""
    for cosine in (_run(2), _run(1)):
        verdict = _hold(_run(2), bm25=_run(4), cosine=cosine)
        assert not verdict.passed
        assert "cosine: 0.631 against" in verdict.refusal
        assert "bm25" not in verdict.refusal
        assert '[export] quality_gate = "off"' in verdict.refusal


def test_a_gain_must_exceed_the_margin() -> None:
    """A sure gain of 0.13 passes a margin of 0.1 and not one of 0.15."""
    assert _hold(_run(2), margin=0.1, bm25=_run(3)).passed
    assert not _hold(_run(2), margin=0.15, bm25=_run(3)).passed


def test_a_gain_that_chance_explains_is_refused() -> None:
    """A better mean that comes from six of twelve queries, the others losing, is not sure enough."""
    verdict = _hold(_run(1, lost=tuple(QUERIES[:6])), bm25=_run(3))
    (comparison,) = verdict.comparisons
    assert comparison.difference > 0
    assert comparison.p > 0.05
    assert not verdict.passed


def test_the_table_has_a_row_a_baseline() -> None:
    """It fits a terminal and says which was beaten."""
    lines = _hold(_run(1), bm25=_run(3), shipped=_run(1)).to_table().splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["bm25", "shipped"]
    assert [line.endswith("not beaten") for line in lines[2:]] == [False, True]
    assert max(map(len, lines)) <= 80


def test_without_dev_labels_nothing_is_held() -> None:
    """No label, no verdict."""
    with pytest.raises(DataError, match="dev_share"):
        compare(QRELS.clear(), _run(1), {"bm25": _run(2)}, measure="nDCG@10", margin=0, max_p=0.1, seed=1)


@pytest.mark.parametrize(("max_p", "needed"), [(0.1, 4), (0.125, 3), (0.05, 5), (0.5, 1), (1.0, 1), (0.001, 10)])
def test_the_queries_that_p_takes(max_p: float, needed: int) -> None:
    """The smallest n with 1 / 2^n at most p; with one less even a clear win cannot be told, with as many it passes."""
    assert queries_needed(max_p) == needed
    assert _hold(_run(1), max_p=max_p, queries=needed, bm25=_run(3)).passed
    if needed > 1:
        verdict = _hold(_run(1), max_p=max_p, queries=needed - 1, bm25=_run(3))
        assert [comparison.outcome for comparison in verdict.comparisons] == ["cannot tell"]
        assert not verdict.passed


def test_too_few_queries_are_named() -> None:
    """How many there are, how many it takes, and what to do; a loss is no loss either."""
    for place in (1, 5):
        verdict = _hold(_run(place), max_p=0.1, queries=3, bm25=_run(3), cosine=_run(2))
        assert verdict.refusal == (
            "export: 3 dev queries cannot tell whether the new reranker beats (nDCG@10) bm25, cosine: "
            "[export] quality_gate_p takes 4 on which either ranks a relevant document, and these are 3; label "
            "more queries, "
            'rerank with --bundle ready, which needs no labels, or set [export] quality_gate = "off" to ship it anyway'
        )
    assert verdict.to_table().splitlines()[2].endswith("cannot tell")


def test_queries_without_a_relevant_candidate_tell_nothing() -> None:
    """Where neither run has the document, twelve queries are as few as none, and so are labels of nothing relevant."""
    lost = _run(1).filter(pl.col("doc_id") != "best")
    assert [comparison.outcome for comparison in _hold(lost, bm25=lost).comparisons] == ["cannot tell"]
    found = pl.concat([_run(1).filter(pl.col("query_id").is_in(QUERIES[:3])), lost]).unique(["query_id", "doc_id"])
    assert [(comparison.informative, comparison.outcome) for comparison in _hold(found, bm25=lost).comparisons] == [
        (3, "cannot tell")
    ]
    irrelevant = QRELS.with_columns(grade=pl.lit(1, dtype=pl.Int32))
    verdict = compare(irrelevant, _run(1), {"bm25": _run(3)}, measure="nDCG@10", margin=0, max_p=0.1, seed=1, lowest=1)
    assert not verdict.passed
    assert json.loads(json.dumps(verdict.to_json(), allow_nan=False))["comparisons"] == [
        {"baseline": "bm25", "new": None, "old": None, "difference": None, "p": None, "informative": 0}
        | {"outcome": "cannot tell"}
    ]
    assert verdict.to_table().splitlines()[2].split() == ["bm25", "-", "-", "-", "-", "cannot", "tell"]


def test_a_reranker_whose_scores_are_not_numbers_is_no_winner() -> None:
    """They have no order to hold."""
    broken = _run(1).with_columns(score=pl.lit(float("nan")))
    with pytest.raises(DataError, match="has the score nan"):
        _hold(broken, bm25=_run(3))
