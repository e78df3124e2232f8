"""Evaluation: trec_eval's semantics, honest intervals, paired tests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import bootstrap

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import Candidate, Judgment
from relsearch.data.frames import Runs
from relsearch.data.trec import read_qrels, read_run
from relsearch.exporters.trec import write_run
from relsearch.measure.evaluate import Evaluation, estimate, evaluate, refuse_judge_labels

QRELS = judgments_table(Judgment(f"q{n}", "good", 1, "human") for n in range(20))


def _run(*, good_at: int, queries: int = 20) -> pl.DataFrame:
    docs = ["x1", "x2", "x3"]
    docs.insert(good_at - 1, "good")
    rows = [
        Candidate(f"q{n}", doc, -float(rank), rank, "t") for n in range(queries) for rank, doc in enumerate(docs, 1)
    ]
    return candidates_table(rows)


def _evaluate(runs: Mapping[str, pl.DataFrame], measure: str = "RR@10") -> Evaluation:
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


def test_the_table_of_one_run_has_no_columns_of_a_comparison() -> None:
    """There is nothing that they could hold."""
    result = evaluate(QRELS, {"alone": _run(good_at=2)}, measures=["RR@10"], resamples=200, seed=1)
    assert "p (Holm)" not in result.to_table()
    assert result.to_table().splitlines()[0].endswith("95 % CI")


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


def test_one_query_is_told_in_the_singular() -> None:
    """As everywhere."""
    qrels, run = QRELS.filter(pl.col("query_id") == "q0"), _run(good_at=1).filter(pl.col("query_id") != "q0")
    with pytest.raises(DataError, match="none of the 1 labelled query is in it"):
        evaluate(qrels, {"first": run}, measures=["RR@10"], resamples=500, seed=1)


def test_a_single_query_has_means_alone() -> None:
    """One run or two: no interval, no test, and nothing crashes."""
    qrels = QRELS.filter(pl.col("query_id") == "q0")
    runs = {"first": _run(good_at=2), "better": _run(good_at=1)}
    for names in (["first"], ["first", "better"]):
        found = evaluate(qrels, {name: runs[name] for name in names}, measures=["RR@10"], resamples=500, seed=1)
        as_json = found.to_json()
        assert as_json["runs"]["first"]["RR@10"] == {"mean": 0.5, "low": None, "high": None}
        assert json.loads(json.dumps(as_json, allow_nan=False)) == as_json
        assert [line.split() for line in found.to_table().splitlines()[2:]] == [
            ["first", "0.500", "-"],
            ["better", "1.000", "-", "+0.500", "-", "-"],
        ][: len(names)]
    assert set(as_json["against_first"]["better"]["RR@10"].values()) == {0.5, None}


def test_a_level_that_no_label_reaches_is_a_dash() -> None:
    """The other measures stand; the note says why this one does not. Where all are meant, it is an error."""
    with pytest.raises(DataError, match=r"RR\(rel=2\)@10 is not defined"):
        evaluate(
            QRELS, {"first": _run(good_at=2)}, measures=["RR(rel=2)@10", "RR@10"], resamples=9, seed=1, strict=True
        )
    runs = {"first": _run(good_at=2), "better": _run(good_at=1)}
    found = evaluate(QRELS, runs, measures=["RR(rel=2)@10", "RR@10"], resamples=500, seed=1)
    as_json = found.to_json()
    assert as_json["runs"]["better"]["RR(rel=2)@10"] == {"mean": None, "low": None, "high": None}
    assert set(as_json["against_first"]["better"]["RR(rel=2)@10"].values()) == {None}
    assert as_json["runs"]["better"]["RR@10"]["mean"] == 1
    assert found.to_table().splitlines()[3].split() == ["better", "-", "-", "-", "-", "-"]
    (note,) = found.notes
    assert note.startswith("RR(rel=2)@10 is not defined: no label reaches a grade that it credits, the highest is 1")


@pytest.mark.parametrize(
    ("grade", "measures", "lowest", "message"),
    [
        (1, ["RR(rel=2)@10"], 0, "no label reaches a grade"),
        (0, ["nDCG@10", "RR@10"], 0, "no document is relevant"),
        (1, ["nDCG@10", "RR@10"], 1, "no document is relevant"),
    ],
)
def test_where_no_measure_is_defined_nothing_is_measured(
    grade: int, measures: list[str], lowest: int, message: str
) -> None:
    """Labels without a relevant one are an error, not a table of zeros."""
    qrels = QRELS.with_columns(grade=pl.lit(grade, dtype=pl.Int32))
    with pytest.raises(DataError, match=message):
        evaluate(qrels, {"first": _run(good_at=1)}, measures=measures, resamples=500, seed=1, lowest=lowest)


@pytest.mark.parametrize(
    "run", [_run(good_at=1).clear(), _run(good_at=1).with_columns(query_id="x" + pl.col("query_id"))]
)
def test_a_run_that_answers_no_query_is_refused(run: pl.DataFrame) -> None:
    """An empty run, or one of another collection, beside one that does."""
    with pytest.raises(DataError, match="run other: none of the 20 labelled queries is in it"):
        _evaluate({"first": _run(good_at=1), "other": run})


def test_notes_say_what_zeros_are_due_to() -> None:
    """Queries without a document, and documents that nobody labelled."""
    strange = _run(good_at=1).with_columns(doc_id="x" + pl.col("doc_id"))
    found = _evaluate({"half": _run(good_at=1, queries=10), "strange": strange})
    assert [note.split(";")[0] for note in found.notes] == [
        "half: no document for 10 of 20 queries, which count as 0",
        "strange: none of its documents has a label",
    ]
    assert _evaluate({"all": _run(good_at=1)}).notes == ()


def test_runs_are_read_one_at_a_time(tmp_path: Path) -> None:
    """A mapping of files gives the figures of loaded runs."""
    runs = {"first": _run(good_at=2), "better": _run(good_at=1)}
    for name, run in runs.items():
        write_run(run, tmp_path / f"{name}.trec", tag=name)
    assert _evaluate(Runs({name: tmp_path / f"{name}.trec" for name in runs})).to_json() == _evaluate(runs).to_json()


def test_intervals_are_those_of_scipy() -> None:
    """3,000 queries are resampled in batches, which SciPy does at once; the rounding of its jackknife differs."""
    values = np.random.default_rng(1).random(3000)
    found = estimate(values, resamples=200, seed=7)
    whole = bootstrap(
        (values,), np.mean, n_resamples=200, method="BCa", rng=np.random.default_rng(7), vectorized=True
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((whole.low, whole.high), rel=1e-12)


def test_a_notebook_shows_the_table_with_every_name_escaped() -> None:
    """The same figures as the text, and a run's name is no markup."""
    found = _evaluate({"<b>first</b>": _run(good_at=2), "second": _run(good_at=1)})
    shown = found._repr_html_()
    assert "&lt;b&gt;first&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert {"0.500", "1.000", "+0.500", "&lt; 0.001"} <= set(re.findall(r"<td>([^<]*)</td>", shown))
