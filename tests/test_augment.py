"""Augmentation: human labels win, doubt is kept, a useless judge is refused."""

from __future__ import annotations

import polars as pl
import pytest

from relsearch.augment import augment, gate_judge
from relsearch.config import AugmentConfig
from relsearch.errors import DataError, GateError
from relsearch.tables import judgments_table
from relsearch.types import SCALES, Judgment

SCALE = SCALES["0-3"]
HUMAN = judgments_table([Judgment("q1", "a", 3, "human"), Judgment("q1", "b", 0, "human")])


def _judged(*rows: tuple[str, str, float, float]) -> pl.DataFrame:
    return judgments_table(
        Judgment(query, doc, round(expected), "judge", "j1", (0.25,) * 4, expected, confidence)
        for query, doc, expected, confidence in rows
    )


def _augment(judged: pl.DataFrame | None, *, config: AugmentConfig | None = None) -> pl.DataFrame:
    return augment(HUMAN, judged, queries={"q1", "q2"}, scale=SCALE, config=config or AugmentConfig())


def test_a_human_label_wins_over_the_judge() -> None:
    """A pair that both labelled keeps the human grade, source and full weight."""
    row = _augment(_judged(("q1", "a", 0.2, 0.9), ("q1", "c", 1.5, 0.9))).filter(pl.col("doc_id") == "a")
    assert row.select("gain", "weight", "source").rows() == [(1.0, 1.0, "human")]


def test_a_judged_example_keeps_the_judges_doubt() -> None:
    """The gain of a judged pair is its expected grade on the scale, not the rounded grade."""
    row = _augment(_judged(("q2", "c", 1.5, 0.6))).filter(pl.col("doc_id") == "c")
    assert row.select("gain", "weight", "source").rows() == [(0.5, 0.5, "judge")]


def test_labels_under_the_confidence_floor_are_left_out() -> None:
    """A floor of 0.5 keeps a label at 0.5 and drops one at 0.49."""
    judged = _judged(("q2", "c", 1.0, 0.5), ("q2", "d", 1.0, 0.49))
    kept = _augment(judged, config=AugmentConfig(confidence_floor=0.5))
    assert kept.filter(pl.col("source") == "judge")["doc_id"].to_list() == ["c"]


def test_the_cap_keeps_the_most_confident() -> None:
    """Of three judged pairs of a query a cap of two keeps the two surest."""
    judged = _judged(("q2", "c", 1.0, 0.5), ("q2", "d", 1.0, 0.9), ("q2", "e", 1.0, 0.7))
    kept = _augment(judged, config=AugmentConfig(max_per_query=2))
    assert kept.filter(pl.col("source") == "judge")["doc_id"].to_list() == ["d", "e"]


def test_other_queries_never_enter() -> None:
    """A label of a query outside the training split is not an example, whoever gave it."""
    assert "q3" not in _augment(_judged(("q3", "c", 1.0, 0.9)))["query_id"]


def test_missing_labels_are_no_examples() -> None:
    """A pair that the judge gave no grade is left out, and the rest is as if it had not been asked."""
    judged = _judged(("q2", "c", 1.5, 0.6))
    missing = judgments_table([Judgment("q2", "d", None, "judge", "j1")])
    assert _augment(pl.concat([missing, judged])).equals(_augment(judged))


def test_judge_labels_without_a_distribution_are_refused() -> None:
    """A judge label without expected grade or confidence is an error, not a guess."""
    with pytest.raises(DataError, match="no expected grade"):
        _augment(judgments_table([Judgment("q2", "c", 1, "judge", "j1")]))


@pytest.mark.parametrize(("kappa", "low"), [(0.0, -0.1), (0.1, -0.01), (-0.2, -0.3), (0.0, float("nan"))])
def test_a_judge_no_better_than_the_majority_is_refused(kappa: float, low: float) -> None:
    """The gate stands on the lower end of the interval, and force by name opens it."""
    with pytest.raises(GateError, match="majority class"):
        gate_judge(kappa, low=low, force=False)
    gate_judge(kappa, low=low, force=True)


def test_a_judge_better_than_the_majority_passes() -> None:
    """A kappa whose interval lies above the majority's passes."""
    gate_judge(0.2, low=0.1, force=False)
