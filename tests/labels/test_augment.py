"""Augmentation: human labels win, doubt is kept, a useless judge is refused."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from relsearch.core.errors import DataError, GateError
from relsearch.core.settings.config import AugmentConfig
from relsearch.core.tables import judgments_table
from relsearch.core.types import SCALES, Judgment
from relsearch.labels.augment import augment, gate_judge, why_accepted
from relsearch.stats.bootstrap import Figure

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
    assert row.select("gain", "weight", "source").rows() == [(0.5, 0.5, "unlabelled")]


def test_labels_under_the_confidence_floor_are_left_out() -> None:
    """A floor of 0.5 keeps a label at 0.5 and drops one at 0.49."""
    judged = _judged(("q2", "c", 1.0, 0.5), ("q2", "d", 1.0, 0.49))
    kept = _augment(judged, config=AugmentConfig(confidence_floor=0.5))
    assert kept.filter(pl.col("source") == "unlabelled")["doc_id"].to_list() == ["c"]


def test_the_cap_keeps_the_most_confident() -> None:
    """Of three judged pairs of a query a cap of two keeps the two surest."""
    judged = _judged(("q2", "c", 1.0, 0.5), ("q2", "d", 1.0, 0.9), ("q2", "e", 1.0, 0.7))
    kept = _augment(judged, config=AugmentConfig(max_per_query=2))
    assert kept.filter(pl.col("source") == "unlabelled")["doc_id"].to_list() == ["d", "e"]


def test_the_judge_wins_over_an_assumption_where_it_may_fill() -> None:
    """That nobody labelled a pair says less than the judge; without `fill` the assumption stays."""
    assumed = pl.concat([HUMAN, judgments_table([Judgment("q1", "c", 0, "assumed")])])
    judged = _judged(("q1", "c", 2.4, 0.9))
    found = {
        policies: augment(assumed, judged, queries={"q1"}, scale=SCALE, config=AugmentConfig(policies=policies))
        .filter(pl.col("doc_id") == "c")
        .select("gain", "source")
        .rows()
        for policies in (("fill",), ("unlabelled",))
    }
    assert found == {("fill",): [(pytest.approx(0.8), "judge")], ("unlabelled",): [(0.0, "assumed")]}


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


# A label for each policy, and two pairs that people graded: a pool pair of a labelled query, the two pairs, a query
# without labels, a written one.
_MENU = (
    ("q1", "c", 1.0, 0.9),
    ("q1", "b", 3.0, 0.9),
    ("q1", "a", 0.0, 0.9),
    ("q2", "d", 2.0, 0.9),
    ("s1", "e", 3.0, 0.9),
)


def _menu(**settings: Any) -> pl.DataFrame:
    config = AugmentConfig.model_validate(settings)
    queries = {"q1", "q2", "s1"}
    return augment(HUMAN, _judged(*_MENU), queries=queries, synthetic={"s1"}, scale=SCALE, config=config)


@pytest.mark.parametrize(
    ("policies", "added"),
    [
        (("fill",), {("q1", "c"): "judge"}),
        (("unlabelled",), {("q2", "d"): "unlabelled"}),
        (("synthetic",), {("s1", "e"): "synthetic"}),
        ((), {}),
        (("fill", "synthetic"), {("q1", "c"): "judge", ("s1", "e"): "synthetic"}),
        (
            ("all",),
            {
                ("q1", "c"): "judge",
                ("q2", "d"): "unlabelled",
                ("s1", "e"): "synthetic",
            },
        ),
    ],
)
def test_each_policy_brings_its_own_labels(policies: tuple[str, ...], added: dict[tuple[str, str], str]) -> None:
    """What no policy asks for stays out; a human label wins over the judge's, whatever both say."""
    rows = _menu(policies=policies).select("query_id", "doc_id", "source").iter_rows()
    people = {("q1", "a"): "human", ("q1", "b"): "human"}
    assert {(query, doc): source for query, doc, source in rows} == people | added


def test_hard_labels_are_the_likeliest_grade() -> None:
    """An expected grade of 1.6 is a gain of 1.6/3 softly and 2/3 hard."""
    judged = _judged(("q2", "c", 1.6, 0.6))
    gains = [
        _augment(judged, config=AugmentConfig.model_validate({"labels": kind})).filter(pl.col("doc_id") == "c")["gain"][
            0
        ]
        for kind in ("soft", "hard")
    ]
    assert gains == pytest.approx([1.6 / 3, 2 / 3])


def test_judged_labels_weigh_less_than_human_ones() -> None:
    """All policies have the one weight."""
    weights = dict(_menu(policies=["all"], weight=0.4).select("source", "weight").iter_rows())
    assert weights == {"human": 1.0, "judge": 0.4, "unlabelled": 0.4, "synthetic": 0.4}


@pytest.mark.parametrize(("kappa", "low"), [(0.0, -0.1), (0.1, -0.01), (-0.2, -0.3), (0.1, 0.0)])
def test_a_judge_no_better_than_the_majority_is_refused(kappa: float, low: float) -> None:
    """The gate stands on the lower end of the interval, and force by name opens it."""
    with pytest.raises(GateError, match="no better than the majority class"):
        gate_judge(Figure(kappa, low, 0.5), force=False)
    gate_judge(Figure(kappa, low, 0.5), force=True)


@pytest.mark.parametrize(
    ("kappa", "reason"), [(None, "all of one grade"), (Figure(0.4, float("nan"), float("nan")), "of a single query")]
)
def test_a_kappa_that_is_not_defined_is_no_pass(kappa: Figure | None, reason: str) -> None:
    """The gate says that it cannot tell, and why."""
    with pytest.raises(GateError, match=f"cannot tell whether the judge is better.*{reason}"):
        gate_judge(kappa, force=False)
    gate_judge(kappa, force=True)


@pytest.mark.parametrize(
    ("kappa", "accuracy", "reason"),
    [
        (Figure(0.2, 0.1, 0.3), 0.8, "better than the majority class"),
        (Figure(0.2, 0.1, 0.3), 0.66, "names more grades rightly (accuracy 0.660, of the majority class 0.715)"),
        (Figure(0.2, -0.1, 0.3), 0.8, "force = true says so"),
        (None, 0.8, "kappa not defined"),
    ],
)
def test_why_a_judge_is_accepted_is_said(kappa: Figure | None, accuracy: float, reason: str) -> None:
    """Beside the figure that a reader sees, the accuracy."""
    assert reason in why_accepted(kappa, accuracy=accuracy, majority=0.715)


def test_a_judge_better_than_the_majority_passes() -> None:
    """A kappa whose interval lies above the majority's passes."""
    gate_judge(Figure(0.2, 0.1, 0.3), force=False)
