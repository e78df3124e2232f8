"""Altair charts hold the figures of a result."""

from __future__ import annotations

import json
import sys

import polars as pl
import pytest

import relsearch
from relsearch.core.errors import MissingExtraError
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment

QRELS = {"q1": {"a": 2, "b": 0}, "q2": {"a": 0, "b": 3}}
RUNS = {"first": {"q1": {"b": 2.0, "a": 1.0}, "q2": {"b": 2.0}}, "second": {"q1": {"a": 2.0}, "q2": {"a": 1.0}}}


def test_an_evaluation_s_chart_has_every_mean() -> None:
    """With its interval, by run and measure."""
    result = relsearch.evaluate(QRELS, RUNS, measures=["nDCG@10", "P@1"], resamples=100)
    rows = result.to_chart().to_dict()["data"]["values"]
    assert {(row["run"], row["measure"]): row["mean"] for row in rows} == {
        (run, measure): each.mean for run, measures in result.estimates.items() for measure, each in measures.items()
    }


def test_a_chart_of_one_query_has_no_interval() -> None:
    """What is not defined is null, as JSON has no NaN."""
    one = relsearch.evaluate({"q1": QRELS["q1"]}, RUNS, measures=["P@1"], resamples=100).to_chart()
    rows = json.loads(one.to_json(), parse_constant=pytest.fail)["data"]["values"]
    assert [(row["low"], row["high"]) for row in rows] == [(None, None)] * 2


def test_a_judge_s_chart_has_every_bin() -> None:
    """Its confidence, how often it is right there, and pairs."""
    labels = [
        Judgment(query, doc, grade, "judge", probabilities=(0.1, 0.1, 0.1, 0.7), expected=2.4, confidence=0.7)
        for query, of in QRELS.items()
        for doc, grade in of.items()
    ]
    found = relsearch.agree(QRELS, judgments_table(labels), resamples=50)
    assert found.reliability is not None
    layers = found.reliability.to_chart().to_dict()["layer"]
    assert layers[1]["data"]["values"] == [{"confidence": pytest.approx(0.7), "exactly right": 1.0, "pairs": 4}]


def test_without_altair_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "altair", None)
    result = relsearch.evaluate(QRELS, RUNS, measures=["P@1"], resamples=50)
    with pytest.raises(MissingExtraError, match=r"relsearch\[charts\]"):
        result.to_chart()
    assert pl.DataFrame(result.rows()).height == 4
