"""Values of queries: those of pytrec_eval on any run, on grades from the scale's lowest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import polars as pl
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.measures import default_measures
from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import Candidate, Judgment
from relsearch.data.trec import read_qrels, read_run
from relsearch.measure.query_values import inferred_level, query_values, uncredited

DOCS = ["d1", "d10", "d2", "é", "z"]
# 1 + 1e-9 is 1 in single precision, in which trec_eval compares.
SCORES = st.sampled_from([0.0, 1.0, 1 + 1e-9, 1.5, -2.0, 1e300])
RUNS = st.lists(
    st.dictionaries(st.sampled_from(DOCS), st.tuples(SCORES, st.integers(1, 9)), min_size=1), min_size=1, max_size=3
)
QRELS = st.lists(st.dictionaries(st.sampled_from(DOCS), st.integers(0, 3), min_size=1), min_size=3, max_size=3)
TREC = {"nDCG@3": "ndcg_cut_3", "AP": "map", "RR": "recip_rank", "P@2": "P_2", "R@2": "recall_2", "Rprec": "Rprec"}


def _qrels(graded: dict[str, dict[str, int]]) -> pl.DataFrame:
    return judgments_table(Judgment(q, d, grade, "human") for q, docs in graded.items() for d, grade in docs.items())


def _run(scored: dict[str, dict[str, tuple[float, int]]]) -> pl.DataFrame:
    return candidates_table(
        Candidate(q, d, score, rank, "t") for q, docs in scored.items() for d, (score, rank) in docs.items()
    )


@settings(max_examples=60)
@given(QRELS, RUNS)
def test_values_are_those_of_pytrec_eval(
    graded: list[dict[str, int]], scored: list[dict[str, tuple[float, int]]]
) -> None:
    """Ties of scores, in single precision, go by document id; ranks count for nothing."""
    labels = {f"q{number}": docs for number, docs in enumerate(graded)}
    run = {f"q{number}": docs for number, docs in enumerate(scored)}
    if not any(grade for docs in graded for grade in docs.values()):
        return
    found = query_values(_qrels(labels), _run(run), list(TREC))
    scores = {query: {doc: score for doc, (score, _) in docs.items()} for query, docs in run.items()}
    expected = pytrec_eval.RelevanceEvaluator(labels, set(TREC.values())).evaluate(scores)
    for name, key in TREC.items():
        values = [expected[query][key] if query in expected else 0.0 for query in sorted(labels)]
        assert found[name].tolist() == values, name


@settings(max_examples=40)
@given(QRELS, RUNS)
def test_what_stands_below_the_cut_off_changes_no_value(
    graded: list[dict[str, int]], scored: list[dict[str, tuple[float, int]]]
) -> None:
    """Only the head of a run is handed to what computes such a measure; ir-measures says the same of the whole run."""
    labels = {str(number): docs for number, docs in enumerate(graded)}
    run = {str(number): docs for number, docs in enumerate(scored)}
    if not any(grade for docs in graded for grade in docs.values()):
        return
    kinds = ("nDCG", "P", "R", "RR", "AP", "Success", "ERR", "Judged")
    names = [f"{kind}@{cut}" for kind in kinds for cut in (1, 2, 4)]
    # These take unjudged documents out before they cut.
    names += [f"{kind}(judged_only=True)@{cut}" for kind in ("nDCG", "P", "R", "AP", "Success") for cut in (1, 2)]
    found = query_values(_qrels(labels), _run(run), names)
    with np.errstate(over="ignore"):
        ranked = {query: _in_trec_order(docs) for query, docs in run.items()}
    for name in names:
        values = {each.query_id: each.value for each in ir_measures.parse_measure(name).iter_calc(labels, ranked)}
        assert found[name].tolist() == [values.get(query, 0.0) for query in sorted(labels)], name


def test_values_of_a_real_run_are_those_of_ir_measures(collections: Path) -> None:
    """Of all measures that are shown by default, to the last digit, read from the same files."""
    qrels, run = collections / "trec-dl-2019" / "qrels.tsv", collections / "trec-dl-2019" / "runs" / "bm25.trec"
    names = [*default_measures(1), *default_measures(2)]
    found = query_values(read_qrels(qrels, None), read_run(run), names)
    untyped: Any = ir_measures
    queries = sorted({label.query_id for label in untyped.read_trec_qrels(str(qrels))})
    for name in found:
        measure = ir_measures.parse_measure(name)
        rows = untyped.read_trec_qrels(str(qrels)), untyped.read_trec_run(str(run))
        values = {each.query_id: each.value for each in measure.iter_calc(*rows)}
        assert found[name].tolist() == [values[query] for query in queries], name


def _in_trec_order(docs: dict[str, tuple[float, int]]) -> dict[str, float]:
    order = sorted(docs, key=lambda doc: (np.float32(docs[doc][0]), doc))
    return {doc: float(place) for place, doc in enumerate(order)}


def test_a_cut_off_reciprocal_rank_breaks_ties_as_the_others_do() -> None:
    """ir-measures computes it by another program, which would put the first id first."""
    qrels, run = _qrels({"q": {"d1": 1}}), _run({"q": {"d1": (1.0, 1), "d2": (1.0, 2)}})
    found = query_values(qrels, run, ["RR@10", "RR", "Judged@1"])
    assert {name: values.tolist() for name, values in found.items()} == {"RR@10": [0.5], "RR": [0.5], "Judged@1": [0]}


def test_aliases_and_repeats_all_have_their_value() -> None:
    """A name never takes another one's figures."""
    qrels, run = _qrels({"q": {"d1": 2, "d2": 1}}), _run({"q": {"d2": (2.0, 1), "d1": (1.0, 2)}})
    names = ["AP", "MAP", "RR@10", "MRR@10", "nDCG@10", "NDCG@10", "nDCG@10", "IPrec@0.1", "P@1", "Precision@1"]
    found = query_values(qrels, run, names)
    assert list(found) == list(dict.fromkeys(names))
    assert all(values[0] > 0 for values in found.values())
    assert found["AP"] == found["MAP"] == found["RR@10"] == found["MRR@10"] == 1
    assert found["nDCG@10"] == found["NDCG@10"]


def test_grades_count_from_the_lowest() -> None:
    """On grades 1 to 4 a document of grade 1 is no gain, and a level is of what is above it."""
    from_zero, from_one = ({"q": {"d1": low, "d2": low + 2, "d10": low + 3}} for low in (0, 1))
    run = _run({"q": {"d1": (3.0, 1), "d2": (2.0, 2), "d10": (1.0, 3)}})
    names = ["nDCG@10", "RR(rel=2)@10", "RR@10", "ERR@10", "Compat"]
    expected = query_values(_qrels(from_zero), run, names)
    found = query_values(_qrels(from_one), run, names, lowest=1)
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in expected.items()
    }
    assert found["RR@10"] == 0.5


def test_a_measure_that_credits_no_label_has_no_value() -> None:
    """It is nan, not 0, and the reason says how high the labels reach."""
    qrels, run = _qrels({"q": {"d1": 1, "d2": 0}}), _run({"q": {"d1": (1.0, 1)}})
    found = query_values(qrels, run, ["RR(rel=2)@10", "RR@10", "Judged@10"])
    assert math.isnan(found["RR(rel=2)@10"][0])
    assert found["RR@10"] == found["Judged@10"] == 1
    assert list(uncredited(qrels, ["RR(rel=2)@10", "RR@10"])) == ["RR(rel=2)@10"]
    assert "the highest is 1 above the lowest" in uncredited(qrels, ["RR(rel=2)@10"])["RR(rel=2)@10"]
    assert "no document is relevant" in uncredited(qrels, ["nDCG@10"], lowest=1)["nDCG@10"]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_refused(score: float) -> None:
    """A run of a broken model is not measured as some order."""
    qrels, run = _qrels({"q": {"d1": 1}}), _run({"q": {"d1": (1.0, 1), "d2": (score, 2)}})
    with pytest.raises(DataError, match="document 'd2' has the score"):
        query_values(qrels, run, ["nDCG@10"])


@pytest.mark.parametrize(("name", "grade"), [("ERR@10", 5), ("nDCG(dcg='exp-log2')@10", 5), ("nDCG@10", 10_001)])
def test_a_grade_that_is_too_high_for_the_measure_is_refused(name: str, grade: int) -> None:
    """One program fails on it, trec_eval counts up to it."""
    with pytest.raises(DataError, match="takes grades from 0 to"):
        query_values(_qrels({"q": {"d1": grade}}), _run({"q": {"d1": (1.0, 1)}}), [name])


def test_many_queries_are_measured_in_parts() -> None:
    """More queries than are handed over at once, in any order of the run's rows."""
    queries = [f"q{number:04}" for number in range(1203)]
    qrels = _qrels({query: {"d1": 1} for query in queries})
    rows = {query: {"d1": (1.0, 1), "d2": (2.0 if place % 3 else 0.0, 2)} for place, query in enumerate(queries)}
    values = query_values(qrels, _run(rows).sample(fraction=1, shuffle=True, seed=1), ["RR@10"])["RR@10"]
    assert values.tolist() == [0.5 if place % 3 else 1.0 for place in range(1203)]
    assert np.count_nonzero(values) == 1203


@pytest.mark.parametrize(("grades", "level"), [([0, 1], 1), ([1], 1), ([0, 1, 2], 2), ([0, 3], 2), ([2], 2), ([0], 1)])
def test_without_a_scale_the_level_is_what_labels_reach(grades: list[int], level: int) -> None:
    """2 where a grade is as high, else 1."""
    assert inferred_level(_qrels({"q": {DOCS[place]: grade for place, grade in enumerate(grades)}})) == level


def test_a_lowest_grade_that_may_mean_irrelevant_is_asked_about() -> None:
    """Both ways to read grades 1 to 4 are in the message."""
    with pytest.raises(ConfigError, match=r"the scale 1-4:3 if 1 means irrelevant, or 0-4:2"):
        inferred_level(_qrels({"q": {"d1": 1, "d2": 4}}))


def test_gains_beyond_any_scale_are_taken_as_they_are() -> None:
    """Counts of clicks, say: there is no scale to ask for."""
    assert inferred_level(_qrels({"q": {"d1": 3, "d2": 40}})) == 2
