"""The rows that set judges side by side, and the baselines' labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.judges.agreement.measures import FIGURES, binned, majority, published, row
from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import SCALES, Candidate, Judgment

SCALE = SCALES["0-3"]
GRADES = [number % 4 if number % 3 else 0 for number in range(120)]
PAIRS = [(f"q{number % 6}", f"d{number // 6:02}") for number in range(120)]
HUMAN = judgments_table(Judgment(*pair, grade, "human") for pair, grade in zip(PAIRS, GRADES, strict=True))
NOISE = np.random.default_rng(4).normal(size=(3, 120))


def _row(judged: pl.DataFrame) -> dict[str, object]:
    runs = {name: _run(name, 1.5 * number) for number, name in enumerate(["a", "b", "c"])}
    return row("judge", HUMAN, judged, runs, SCALE, 1, resamples=100)


def _run(name: str, noise: float) -> pl.DataFrame:
    scores = np.array(GRADES) + noise * NOISE[1]
    return candidates_table(
        Candidate(query_id, PAIRS[number][1], float(scores[number]), rank, name)
        for query_id in sorted({query_id for query_id, _ in PAIRS})
        for rank, number in enumerate(
            sorted((n for n in range(120) if PAIRS[n][0] == query_id), key=lambda n: -scores[n]), 1
        )
    )


def test_a_good_judge_has_every_figure() -> None:
    """Bins of scores that follow the grades give all figures with their intervals, as plain JSON."""
    scores = np.array(GRADES) + 0.4 * NOISE[0]
    found = _row(binned(scores, GRADES, HUMAN, np.array(GRADES) + 0.4 * NOISE[2], SCALE, judge="bins"))
    assert json.loads(json.dumps(found)) == found
    for name in (*FIGURES, "tau_systems"):
        figure = found[name]
        assert isinstance(figure, dict), name
        assert set(figure) == {"value", "low", "high"}
    assert found["pairs"] == 120


def test_the_majority_knows_nothing() -> None:
    """It has kappa 0 and AUC one half, and is as sure as its grade is frequent."""
    judged = majority(HUMAN, GRADES, SCALE)
    found = _row(judged)
    assert isinstance(found["kappa"], dict)
    assert isinstance(found["auc"], dict)
    assert (found["kappa"]["value"], found["auc"]["value"]) == (0, 0.5)
    assert found["tau_systems"] is None
    assert set(judged["grade"]) == {0}
    assert judged["confidence"][0] == pytest.approx(GRADES.count(0) / 120)


def test_published_labels_have_auc(tmp_path: Path) -> None:
    """Grades alone rank pairs."""
    path = tmp_path / "llm_x.tsv"
    path.write_text("".join(f"{q}\t0\t{d}\t{g}\n" for (q, d), g in zip(PAIRS, GRADES, strict=True)), encoding="utf-8")
    found = _row(published(path, SCALE))
    assert isinstance(found["auc"], dict)
    assert found["auc"]["value"] == 1


def test_bins_keep_the_training_frequencies() -> None:
    """Scores of the same distribution get the grades' frequencies, and distributions that sum to 1."""
    scores = np.array(GRADES) + 0.4 * NOISE[0]
    judged = binned(scores, GRADES, HUMAN, scores, SCALE, judge="bins")
    assert np.bincount(judged["grade"].to_numpy(), minlength=4) == pytest.approx(np.bincount(GRADES), abs=1)
    assert judged["probabilities"].list.sum().to_numpy() == pytest.approx(np.ones(120))
