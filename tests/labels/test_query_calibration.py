"""A few human grades of a query hold the judge's labels of its other documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import cohen_kappa_score

from relsearch.core.tables import first_per_query, judgments_table
from relsearch.core.types import SCALES, Judgment
from relsearch.labels.query_calibration import calibrate
from relsearch.stats.ordinal import CumulativeLink

SCALE = SCALES["0-3"]
LINK = CumulativeLink(mean=0.0, deviation=1.0, slope=1.5, thresholds=(-1.0, 0.5, 2.0))
CUTS = np.array([-0.8, 0.2, 1.0])  # in scores; not where half of the probability lies


def _judged(scores: dict[tuple[str, str], float]) -> pl.DataFrame:
    rows = LINK.probabilities(list(scores.values()))
    grades = np.searchsorted(CUTS, list(scores.values()), side="right")
    return judgments_table(
        Judgment(*pair, int(grade), "judge", "a", tuple(row), float(np.dot(row, range(4))), row[grade])
        for pair, grade, row in zip(scores, grades, rows.tolist(), strict=True)
    )


def _human(grades: dict[tuple[str, str], int]) -> pl.DataFrame:
    return judgments_table(Judgment(*pair, grade, "human") for pair, grade in grades.items())


def _drawn(queries: int, documents: int, *, deviation: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A judge whose order is right, of queries that people are more or less generous with than it knows."""
    rng = np.random.default_rng(7)
    pairs = [(f"q{query:03}", f"d{doc:03}") for query in range(queries) for doc in range(documents)]
    scores = rng.normal(size=len(pairs))
    shift = np.repeat(rng.normal(size=queries) * deviation, documents)
    rows = LINK.probabilities(scores + shift / LINK.slope)
    grades = {pair: int(rng.choice(4, p=row)) for pair, row in zip(pairs, rows, strict=True)}
    return _judged(dict(zip(pairs, scores.tolist(), strict=True))), _human(grades)


@pytest.mark.parametrize("deviation", [0.0, 1.5])
def test_agreement_rises_as_far_as_queries_differ(deviation: float) -> None:
    """Five grades a query find how much queries differ, and lift agreement on the others where they do."""
    judged, human = _drawn(60, 40, deviation=deviation)
    few = first_per_query(human, 5)
    found = calibrate(judged, few, SCALE)
    assert found.queries == 60
    assert found.deviation == pytest.approx(deviation, abs=0.5)
    rest = human.join(few, on=["query_id", "doc_id"], how="anti")
    before, after = (
        cohen_kappa_score(
            rest["grade"], rest.join(table, on=["query_id", "doc_id"], maintain_order="left")["grade_right"]
        )
        for table in (judged, found.labels)
    )
    assert after - before > 0.08 if deviation else after == pytest.approx(before, abs=0.02)


def test_the_table_stays_what_it_was_elsewhere() -> None:
    """Order, missing labels, other queries and the sum of each distribution."""
    judged, _ = _drawn(3, 6, deviation=0)
    missing = judgments_table([Judgment("q000", "gone", None, "judge", "a")])
    judged = pl.concat([judged, missing]).sort("doc_id", descending=True)
    human = _human({("q000", "d001"): 3, ("q000", "d002"): 3, ("q001", "d003"): 0, ("q001", "unseen"): 3})
    found = calibrate(judged, human, SCALE).labels
    moved = (pl.col("query_id") != "q002") & pl.col("grade").is_not_null()
    marked = judged.with_columns(judge=pl.when(moved).then(pl.lit("a calibrated")).otherwise("judge"))
    assert_frame_equal(found.select("query_id", "doc_id", "judge"), marked.select("query_id", "doc_id", "judge"))
    same = pl.col("query_id") == "q002"
    assert_frame_equal(found.filter(same), judged.filter(same))
    assert found.filter(doc_id="gone")["grade"].null_count() == 1
    sums = found["probabilities"].drop_nulls().list.sum()
    assert sums.to_numpy() == pytest.approx(1)


def test_labels_move_the_way_people_point_and_no_label_moves_itself() -> None:
    """High human grades raise the others, low ones lower them; a lone label leaves its own pair alone."""
    judged, _ = _drawn(2, 6, deviation=0)
    human = _human({("q000", "d001"): 3, ("q001", "d001"): 0})
    found = calibrate(judged, human, SCALE).labels
    change = (found["expected"] - judged["expected"]).to_numpy()
    lone = judged["doc_id"].to_numpy() == "d001"
    first = judged["query_id"].to_numpy() == "q000"
    assert change[lone] == pytest.approx(0, abs=1e-9)
    assert (change[first & ~lone] > 0).all()
    assert (change[~first & ~lone] < 0).all()
    kept = judged.filter(first & ~lone)["expected"].arg_sort()
    assert found.filter(first & ~lone)["expected"].arg_sort().to_list() == kept.to_list()


def test_grades_change_where_the_judge_s_own_do() -> None:
    """Calibrated on labels that move nothing, every grade is the one that its thresholds gave."""
    judged, human = _drawn(40, 30, deviation=0)
    found = calibrate(judged, human, SCALE).labels
    still = np.abs((found["expected"] - judged["expected"]).to_numpy()) < 0.02
    assert still.sum() > 100
    assert (found["grade"] == judged["grade"]).to_numpy()[still].mean() > 0.97


def test_relevant_documents_alone_move_nothing() -> None:
    """Clicks say nothing of how many of the others are irrelevant."""
    judged, _ = _drawn(2, 6, deviation=0)
    found = calibrate(judged, _human({("q000", "d001"): 3, ("q001", "d002"): 2}), SCALE)
    assert_frame_equal(found.labels, judged)
    assert found.queries == 0


def test_documents_that_are_alike_move_together() -> None:
    """People who find one kind of document irrelevant lower its others most, and those of another kind least."""
    judged = _judged({("q", f"{kind}{number}"): 0.5 for kind in "ab" for number in range(5)})
    human = _human({("q", "a0"): 0, ("q", "a1"): 0, ("q", "b0"): 2})
    rng = np.random.default_rng(3)
    kinds = {"a": np.array([1.0, 0.0, 0.0]), "b": np.array([0.0, 1.0, 0.0])}

    def vectors(doc_ids: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([kinds[doc_id[0]] + 0.1 * rng.normal(size=3) for doc_id in doc_ids])

    found = calibrate(judged, human, SCALE, vectors).labels.filter(~pl.col("doc_id").is_in(["a0", "a1", "b0"]))
    change = (found["expected"] - judged["expected"][0]).to_numpy()
    first = found["doc_id"].str.starts_with("a").to_numpy()
    assert (change[first] < -0.2).all()
    assert change[first].max() < change[~first].min() - 0.3
    alike = calibrate(judged, human, SCALE).labels.filter(pl.col("doc_id").is_in(["a2", "b2"]))["expected"]
    assert alike[0] == pytest.approx(alike[1])


def test_two_grades_are_a_scale() -> None:
    """A binary judge is held the same way."""
    binary = SCALES["binary"]
    judged = judgments_table(
        Judgment("q", f"d{n}", int(p >= 0.5), "judge", "a", (1 - p, p), p, max(p, 1 - p))
        for n, p in enumerate((0.2, 0.4, 0.6, 0.8))
    )
    found = calibrate(judged, _human({("q", "d3"): 0, ("q", "d2"): 0}), binary).labels
    assert (found["expected"][:2] < judged["expected"][:2]).all()
    assert found["grade"].to_list()[:2] == [0, 0]
