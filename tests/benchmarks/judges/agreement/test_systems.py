"""Rankings of systems under human and judged labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks.judges.agreement.systems import systems, variants
from relsearch.core.errors import DataError
from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import SCALES, Candidate, Judgment
from relsearch.measure.evaluate import evaluate

SCALE = SCALES["0-3"]
QUERIES, DOCS = 12, 40


def _human() -> pl.DataFrame:
    return judgments_table(
        Judgment(f"q{query:02}", f"d{doc:02}", max(0, 3 - doc // 4), "human")
        for query in range(QUERIES)
        for doc in range(DOCS)
    )


def _run(name: str, noise: float, seed: int) -> pl.DataFrame:
    """A run whose order follows the human grades as closely as the noise lets it."""
    rng = np.random.default_rng(seed)
    orders = [np.argsort(np.arange(DOCS) + noise * rng.normal(size=DOCS)) for _ in range(QUERIES)]
    return candidates_table(
        Candidate(f"q{query:02}", f"d{doc:02}", -float(rank), rank, name)
        for query, order in enumerate(orders)
        for rank, doc in enumerate(order, 1)
    )


RUNS = {name: _run(name, noise, seed) for seed, (name, noise) in enumerate([("a", 2), ("b", 8), ("c", 20), ("d", 60)])}


def _regraded(expression: pl.Expr) -> pl.DataFrame:
    return _human().with_columns(grade=expression.cast(pl.Int32), source=pl.lit("judge"))


def test_the_humans_own_labels_rank_as_they_do() -> None:
    """Judged by the same labels, tau is 1 in every resample, and means are those of evaluate."""
    found = systems(RUNS, _human(), _human(), SCALE, resamples=200, seed=1)
    assert found.tau is not None
    assert (found.tau.value, found.tau.low, found.tau.high) == (1, 1, 1)
    means = evaluate(_human(), RUNS, measures=["nDCG@10"], resamples=100, seed=1).estimates
    assert dict(found.human) == pytest.approx({name: each["nDCG@10"].mean for name, each in means.items()})
    assert found.human == found.judged


def test_a_judge_that_turns_grades_round_turns_the_ranking_round() -> None:
    """Labels that call the worst documents best rank the systems the other way."""
    found = systems(RUNS, _human(), _regraded(3 - pl.col("grade")), SCALE, resamples=200, seed=1)
    assert found.tau is not None
    assert found.tau.value < 0
    assert found.tau.low <= found.tau.value <= found.tau.high
    assert max(map(len, found.to_table().splitlines())) <= 80


def test_a_judge_that_calls_nothing_relevant_ranks_nothing() -> None:
    """NDCG is not defined on such labels, nor is tau, and the table says so."""
    found = systems(RUNS, _human(), _regraded(pl.lit(0)), SCALE, resamples=100, seed=1)
    assert found.tau is None
    assert set(found.to_json()["judged"].values()) == {None}
    assert found.to_table().splitlines()[2].split()[-1] == "-"
    assert found.to_table().endswith("undefined")


def test_grades_count_from_the_scales_lowest() -> None:
    """Grades 1 to 4 rank the systems as the same labels from 0 do."""
    higher = _human().with_columns(pl.col("grade") + 1)
    found = systems(RUNS, higher, higher, SCALES["1-4"], resamples=100, seed=1)
    assert found.human == systems(RUNS, _human(), _human(), SCALE, resamples=100, seed=1).human


def test_only_pairs_with_both_labels_count() -> None:
    """Human labels that the judge did not see do not help a system."""
    judged = _human().filter(pl.col("doc_id") >= "d04")
    found = systems(RUNS, _human(), judged, SCALE, resamples=100, seed=1)
    assert found.human == found.judged


def test_one_run_is_not_a_ranking() -> None:
    """Ranking needs two systems."""
    with pytest.raises(DataError, match="at least two"):
        systems({"a": RUNS["a"]}, _human(), _human(), SCALE, resamples=100, seed=1)


def test_variants_are_many_whole_and_the_same_again() -> None:
    """Four runs give 4 + 6 + 4 systems; each ranks the same documents from 1; the seed alone decides them."""
    found, again, other = variants(RUNS, seed=1), variants(RUNS, seed=1), variants(RUNS, seed=2)
    assert len(found) == 14
    for name, run in found.items():
        assert run.equals(again[name])
        for _, each in run.group_by("query_id"):
            assert sorted(each["rank"]) == list(range(1, DOCS + 1))
            assert each["doc_id"].n_unique() == DOCS
    assert not found["a~shuffled"].equals(other["a~shuffled"])
    assert not found["b~noisy"].equals(other["b~noisy"])


def test_degraded_runs_are_worse() -> None:
    """Shuffling and noise cost NDCG on a good run."""
    found = systems(variants(RUNS, seed=1), _human(), _human(), SCALE, resamples=100, seed=1).human
    assert found["a~shuffled"] < found["a"]
    assert found["b~noisy"] < found["b"]
