"""Measures by name: aliases are one measure, what cannot be computed is one line, defaults follow the scale."""

from __future__ import annotations

import pytest

from relsearch.core.errors import ConfigError
from relsearch.core.measures import credits_any, default_measures, parse_measures
from relsearch.core.settings.config import Config

CANNOT = {
    "ndcg_10": "did you mean 'nDCG@10'",
    "": "is not known",
    "nDCG@10;AP": "is not known",
    "nDCG(10)": "is not known",
    "nDCG@-3": "a number in it is below 0",
    "(" * 5000: "is not known",
    "P": r"'P' needs @ \(ranking cutoff threshold\), e.g. P@10",
    "P@0": "0 as @ is not from 1",
    "RR@0": "0 as @ is not from 1",
    "Judged@0": "0 as @ is not from 1",
    "nDCG@99999999999999999999": "is not from 1 to 2147483647",
    "nDCG@10.5": "10.5 as @ is not what it takes",
    "P@True": "True as @ is not what it takes",
    "P(rel=0)@5": "0 as rel is not from 1",
    "P(rel=99999999999)@5": "is not from 1 to 2147483647",
    "RR(rel='x')": "'x' as rel is not what it takes",
    "R(foo=3)@5": "unknown parameter 'foo'; it has: cutoff, rel, judged_only",
    "IPrec@0.101": "more than two decimals",
    "IPrec@1.5": "not from 0 to 1",
    "Compat(p=2.0)": "not from 0 to 1",
    "nDCG(gains={1:'x'})@10": "cannot be computed",
    "ERR": "cannot be computed with these parameters",
    "NumRel(rel=2)": "cannot be computed with these parameters",
    "RBP": "cannot be computed with these parameters",
    "SDCG@10": "needs max_rel",
    "alpha_nDCG@10": "needs labels by subtopic",
    "Accuracy@10": "leaves out queries",
}


@pytest.mark.parametrize("name", CANNOT)
def test_a_measure_that_cannot_be_computed_is_one_line(name: str) -> None:
    """Nothing aborts the process, and nothing waits for the first query to fail."""
    with pytest.raises(ConfigError, match=CANNOT[name]) as refused:
        parse_measures([name])
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_measure_of_a_package_that_is_not_installed_names_it() -> None:
    """The pip command is in the message; with the package it is a measure like others."""
    try:
        import cwl  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match=r"needs cwl_eval; run: pip install ir-measures\[cwl_eval\]"):
            parse_measures(["RBP(rel=1)"])
    else:
        parse_measures(["RBP(rel=1)"])


@pytest.mark.parametrize(
    ("alias", "name"),
    [("MAP", "AP"), ("MRR@10", "RR@10"), ("NDCG@5", "nDCG@5"), ("Precision@5", "P@5"), ("Recall@9", "R@9")],
)
def test_an_alias_is_the_measure_itself(alias: str, name: str) -> None:
    """Both are kept under the name that was asked for."""
    found = parse_measures([alias, name])
    assert list(found) == [alias, name]
    assert found[alias] == found[name]


def test_the_default_measures_follow_the_scale() -> None:
    """What a scale calls relevant is what reciprocal rank and recall look for."""
    assert default_measures(1) == ("nDCG@10", "RR@10", "R@50")
    assert default_measures(2) == ("nDCG@10", "RR(rel=2)@10", "R(rel=2)@50")
    parse_measures(default_measures(2))


@pytest.mark.parametrize(
    ("scale", "depth", "measures"),
    [
        ("0-3", 100, ("nDCG@10", "RR(rel=2)@10", "R(rel=2)@50")),
        ("1-4", 100, ("nDCG@10", "RR(rel=2)@10", "R(rel=2)@50")),
        ("binary", 100, ("nDCG@10", "RR@10", "R@50")),
        ("0-4:3", 100, ("nDCG@10", "RR(rel=3)@10", "R(rel=3)@50")),
        ("binary", 50, ("nDCG@10", "RR@10")),
    ],
)
def test_a_pipeline_measures_by_its_scale_and_pools(scale: str, depth: int, measures: tuple[str, ...]) -> None:
    """Recall as deep as the pool, which no order changes, is not shown."""
    settings = {"collection": {"scale": scale}, "pool": {"depth": depth}}
    assert Config.model_validate(settings).measures == measures


def test_named_measures_are_taken_as_they_are() -> None:
    """A level that a user wrote stays, and so does recall."""
    named = ("RR(rel=1)@10", "R@50")
    assert Config.model_validate({"evaluate": {"measures": named}, "pool": {"depth": 50}}).measures == named


@pytest.mark.parametrize(
    ("name", "grades", "credited"),
    [
        ("nDCG@10", {0}, False),
        ("nDCG@10", {0, 1}, True),
        ("RR(rel=2)@10", {0, 1}, False),
        ("RR(rel=2)@10", {0, 2}, True),
        ("nDCG(gains={1:0})@10", {0, 1}, False),
        ("nDCG(gains={0:1})@10", {0}, True),
        ("NumRet(rel=3)", {2}, False),
        ("NumRet", {0}, True),
        ("Judged@10", {0}, True),
    ],
)
def test_a_measure_says_which_grades_it_credits(name: str, grades: set[int], credited: bool) -> None:
    """Without such a grade its value is 0 whatever the run."""
    assert credits_any(parse_measures([name])[name], grades) == credited
