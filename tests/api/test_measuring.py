"""relsearch.evaluate and relsearch.agree give what their verbs print."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import relsearch
from relsearch.api.measuring import named_runs
from relsearch.cli import app
from relsearch.core.errors import ConfigError, DataError

QRELS = {"q1": {"a": 2, "b": 0, "c": 0}, "q2": {"a": 0, "b": 3}}
RUNS = {
    "first": {"q1": {"b": 2.0, "a": 1.0}, "q2": {"a": 2.0, "b": 1.0}},
    "second": {"q1": {"a": 2.0, "b": 1.0}, "q2": {"b": 2.0, "a": 1.0}},
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The same as files."""
    labels = [f"{query} 0 {doc} {grade}\n" for query, of in QRELS.items() for doc, grade in of.items()]
    (tmp_path / "qrels").write_text("".join(labels), encoding="utf-8")
    for name, run in RUNS.items():
        lines = [f"{query} Q0 {doc} 1 {score} x\n" for query, of in run.items() for doc, score in of.items()]
        (tmp_path / f"{name}.trec").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def test_evaluate_is_the_verb(files: Path) -> None:
    """On files and on dicts."""
    runs = [files / "first.trec", files / "second.trec"]
    printed = CliRunner().invoke(app, ["evaluate", *map(str, [files / "qrels", *runs]), "--json", "-m", "nDCG@10,AP"])
    for qrels, given in ((QRELS, RUNS), (files / "qrels", runs)):
        found = relsearch.evaluate(qrels, given, measures=["nDCG@10", "AP"])
        assert found.to_json().items() <= json.loads(printed.stdout).items()
    assert found.estimates["second"]["nDCG@10"].mean == 1.0


def test_agree_is_the_verb(files: Path) -> None:
    """Judged labels against human ones."""
    printed = CliRunner().invoke(app, ["agree", str(files / "qrels"), str(files / "qrels"), "--json"])
    assert relsearch.agree(QRELS, files / "qrels").to_json() == json.loads(printed.stdout)


def test_runs_are_named_by_what_tells_them_apart() -> None:
    """Their endings where nothing else does; one file under two spellings is one run."""
    assert list(named_runs(["a/run.trec", "b/run.trec.gz"])) == ["a/run", "b/run"]
    assert list(named_runs(["a/run.trec", "a/run.tsv", "b/run.trec"])) == ["a/run.trec", "run.tsv", "b/run.trec"]
    with pytest.raises(ConfigError, match="is given twice"):
        named_runs(["run.trec", Path("run.trec").absolute()])


def test_what_cannot_be_measured_names_the_argument() -> None:
    """A run without a name; labels of a judge."""
    with pytest.raises(ConfigError, match="runs: give a list of files, or a dict of runs by name"):
        relsearch.evaluate(QRELS, "run.trec")
    with pytest.raises(ConfigError, match="runs: give a list of files, or a dict of runs by name"):
        relsearch.Report.of_runs(QRELS, [{"q1": {"d1": 1.0}}])  # type: ignore[list-item]
    judged = relsearch.load_collection(relsearch.MemoryCollection({}, {}, qrels=QRELS)).qrels()
    with pytest.raises(DataError, match="come from a judge; --judge-labels"):
        relsearch.evaluate([replace(each, source="judge") for each in judged], RUNS)
