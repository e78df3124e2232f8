"""Evaluation: trec_eval's semantics, honest intervals, paired tests."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relsearch.errors import ConfigError, DataError
from relsearch.evaluate import Evaluation, evaluate, refuse_judge_labels
from relsearch.tables import candidates_table, judgments_table
from relsearch.trec import read_qrels, read_run
from relsearch.types import Candidate, Judgment

QRELS = judgments_table(Judgment(f"q{n}", "good", 1, "human") for n in range(20))


def _run(*, good_at: int, queries: int = 20) -> pl.DataFrame:
    docs = ["x1", "x2", "x3"]
    docs.insert(good_at - 1, "good")
    rows = [
        Candidate(f"q{n}", doc, -float(rank), rank, "t") for n in range(queries) for rank, doc in enumerate(docs, 1)
    ]
    return candidates_table(rows)


def _evaluate(runs: dict[str, pl.DataFrame], measure: str = "RR@10") -> Evaluation:
    return evaluate(QRELS, runs, measures=[measure], resamples=500, seed=1)


def test_bm25_of_trec_dl_2019_has_its_published_value(collections: Path) -> None:
    """NDCG@10 of the true BM25 run is 0.5058."""
    folder = collections / "trec-dl-2019"
    run = read_run(folder / "runs" / "bm25.trec")
    found = evaluate(read_qrels(folder / "qrels.tsv", None), {"bm25": run}, measures=["nDCG@10"], resamples=500, seed=1)
    assert found.estimates["bm25"]["nDCG@10"].mean == pytest.approx(0.5058, abs=5e-5)


def test_a_query_that_a_run_misses_scores_zero() -> None:
    """Half the queries answered perfectly is a mean of one half, not of one."""
    found = _evaluate({"half": _run(good_at=1, queries=10)})
    assert found.estimates["half"]["RR@10"].mean == 0.5


def test_missing_labels_are_not_measured_on() -> None:
    """A pair without a grade is no label, and a query without any other is no query."""
    missing = judgments_table([Judgment("q0", "x1", None, "judge", "j"), Judgment("q99", "good", None, "judge", "j")])
    runs = {"all": _run(good_at=2)}
    found = evaluate(pl.concat([QRELS, missing]), runs, measures=["RR@10"], resamples=500, seed=1)
    assert found.to_json() == _evaluate(runs).to_json()


def test_a_sure_difference_is_significant_and_none_is_not() -> None:
    """Runs are compared with the first one; equal runs have p = 1."""
    found = _evaluate({"first": _run(good_at=2), "same": _run(good_at=2), "better": _run(good_at=1)})
    same, better = found.comparisons["same"]["RR@10"], found.comparisons["better"]["RR@10"]
    assert (same.difference.mean, same.p_randomisation, same.p_holm) == (0, 1, 1)
    assert better.difference.mean == 0.5
    assert better.p_randomisation < 0.001
    assert better.p_holm >= better.p_randomisation


def test_the_table_fits_a_terminal_and_json_holds_every_run() -> None:
    """At most 80 columns, and the same names in JSON."""
    found = _evaluate({"first": _run(good_at=2), "better": _run(good_at=1)})
    assert max(map(len, found.to_table().splitlines())) <= 80
    assert set(found.to_json()["runs"]) == {"first", "better"}


def test_the_same_seed_gives_the_same_interval() -> None:
    """Intervals are reproducible."""
    runs = {"half": _run(good_at=1, queries=10)}
    assert _evaluate(runs).estimates == _evaluate(runs).estimates


def test_an_unknown_measure_names_the_nearest() -> None:
    """A misspelt measure is a configuration error with a hint."""
    with pytest.raises(ConfigError, match=r"did you mean 'nDCG@10'"):
        _evaluate({"first": _run(good_at=1)}, "ndcg_10")


def test_judge_labels_are_refused_unless_asked_for() -> None:
    """Measuring on a judge's labels needs to be asked for by name."""
    judged = judgments_table([Judgment("q", "a", 1, "judge")])
    with pytest.raises(DataError, match="1 of 1 labels come from a judge"):
        refuse_judge_labels(judged, allow=False)
    refuse_judge_labels(judged, allow=True)
    refuse_judge_labels(QRELS, allow=False)


def test_nothing_to_evaluate_is_an_error() -> None:
    """Empty qrels are refused rather than averaged."""
    with pytest.raises(DataError, match="nothing to evaluate"):
        evaluate(QRELS.clear(), {"first": _run(good_at=1)}, measures=["RR@10"], resamples=500, seed=1)
