"""Human and judged labels together: valid intervals, narrower where the judge follows people."""

from __future__ import annotations

import json

import numpy as np
import pytest

import relsearch
from relsearch.core.errors import DataError
from relsearch.core.tables import judgments_table
from relsearch.core.types import SCALES, Judgment
from relsearch.labels.query_calibration import calibrate
from relsearch.measure.prediction_powered import Floats, powered_mean

RUNS = {
    "first": {f"q{n}": {"a": 2.0, "b": 1.0} for n in range(12)},
    "second": {f"q{n}": {"a": 1.0 + n % 3, "b": 2.0} for n in range(12)},
}
HUMAN = {f"q{n}": {"a": n % 2, "b": 1 - n % 2} for n in range(6)}
JUDGED = {f"q{n}": {"a": n % 2, "b": int(n != 1) - n % 2} for n in range(12)}


def _draw(queries: int, bias: float, noise: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Values in truth, and by a judge that adds a bias and noise."""
    truth = rng.beta(2, 2, queries)
    return truth, truth + bias + noise * rng.normal(size=queries)


@pytest.mark.parametrize(("noise", "widest"), [(0.05, 0.5), (0.2, 0.9), (50.0, 1.2)])
def test_the_interval_holds_the_truth_whatever_the_judge_is_worth(noise: float, widest: float) -> None:
    """In 95 of 100 samples or so, beside a biased judge; the width follows how well it tells queries apart."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(400):
        human, judged = _draw(15, 0.3, noise, rng)
        found.append(powered_mean(human, judged, _draw(200, 0.3, noise, rng)[1]))
    held = np.mean([each.estimate.low <= 0.5 <= each.estimate.high for each in found])
    assert 0.92 <= held <= 0.98
    assert np.mean([each.width_ratio for each in found]) < widest
    assert 0 <= min(each.weight for each in found) <= max(each.weight for each in found) <= 1


def test_a_judge_that_tells_nothing_apart_has_no_weight() -> None:
    """The mean is people's."""
    human = np.array([0.1, 0.5, 0.6])
    found = powered_mean(human, np.ones(3), np.ones(10))
    assert found.weight == 0
    assert found.estimate.mean == pytest.approx(human.mean())


def test_runs_are_measured_on_both_kinds_of_labels() -> None:
    """In the result, its JSON and its table, beside what human labels alone give."""
    alone = relsearch.evaluate(HUMAN, RUNS, measures=["RR@10"])
    result = relsearch.evaluate(HUMAN, RUNS, measures=["RR@10"], judgments=JUDGED)
    assert alone.powered is None
    assert result.estimates == alone.estimates
    assert result.powered is not None
    assert (result.powered.both, result.powered.judged) == (6, 6)
    by_hand = powered_mean(
        alone.per_query["second"]["RR@10"] - alone.per_query["first"]["RR@10"],
        *(
            measured["second"]["RR@10"] - measured["first"]["RR@10"]
            for measured in (
                relsearch.evaluate({q: JUDGED[q] for q in queries}, RUNS, measures=["RR@10"]).per_query
                for queries in (list(HUMAN), [q for q in JUDGED if q not in HUMAN])
            )
        ),
    )
    assert result.powered.differences["second"]["RR@10"] == by_hand
    assert json.loads(json.dumps(result.to_json()))["with_judgments"]["queries_of_the_judge"] == 6
    assert "RR@10, 6 + 6 judged" in result.to_table()
    assert "6 + 6 judged" in result._repr_html_()


def test_a_query_that_one_run_lacks_counts_zero_by_either_kind_of_labels() -> None:
    """A run that abstains pays for it among the judge's queries as among the labelled ones."""
    labels = {f"q{n:02}": {"a": 1} for n in range(60)}
    human = {query: labels[query] for query in list(labels)[:20]}
    full = {query: {"a": 1.0} for query in labels}
    abstaining = {query: docs for number, (query, docs) in enumerate(full.items()) if number % 4}
    found = relsearch.evaluate(human, {"full": full, "part": abstaining}, measures=["RR@10"], judgments=labels).powered
    assert found is not None
    assert (found.both, found.judged, found.left_out) == (20, 40, 0)
    change = found.differences["part"]["RR@10"]
    assert change.weight > 0.5
    assert change.estimate.mean == pytest.approx(-0.25)


def test_the_width_is_beside_that_of_all_human_labels() -> None:
    """Labelled queries without judged labels narrow people's interval; it is said how many are left out."""
    more = HUMAN | {f"q{n}": {"a": n % 2, "b": 1 - n % 2} for n in range(12, 18)}
    runs = {name: of | {f"q{n}": of[f"q{n - 12}"] for n in range(12, 18)} for name, of in RUNS.items()}
    few = relsearch.evaluate(HUMAN, runs, measures=["RR@10"], judgments=JUDGED)
    every = relsearch.evaluate(more, runs, measures=["RR@10"], judgments=JUDGED)
    assert few.powered is not None
    assert every.powered is not None
    assert every.powered.left_out == 6
    assert any("6 of 12 labelled queries" in note for note in every.notes)
    assert not any("joint intervals" in note for note in few.notes)
    one, other = (each.powered.differences["second"]["RR@10"] for each in (few, every) if each.powered)
    assert one.estimate == other.estimate
    # The spread is the same, so that Student's t half-widths on 6 and on 12 queries differ by these factors alone.
    assert other.width_ratio / one.width_ratio == pytest.approx((2.5706 / 5**0.5) / (2.2010 / 11**0.5), rel=1e-3)


def test_labels_that_human_grades_moved_are_refused() -> None:
    """Their errors on the labelled queries say nothing of the others'."""
    sure = [
        Judgment(q, d, g, "judge", "a", (0.1, 0.9) if g else (0.9, 0.1)) for q in JUDGED for d, g in JUDGED[q].items()
    ]
    human = judgments_table(Judgment(q, d, g, "human") for q in HUMAN for d, g in HUMAN[q].items())
    held = calibrate(judgments_table(sure), human, SCALES["binary"]).labels
    assert relsearch.evaluate(human, RUNS, measures=["RR@10"], judgments=sure).powered is not None
    with pytest.raises(DataError, match=r"12 of 24 labels are calibrated on human grades.*grade without --qrels"):
        relsearch.evaluate(human, RUNS, measures=["RR@10"], judgments=held)


def test_too_few_labels_of_a_kind_are_refused() -> None:
    """It is said how many there are, and what to do."""
    few = {query: JUDGED[query] for query in list(JUDGED)[4:]}
    with pytest.raises(DataError, match=r"2 queries with human and judged labels \(at least 5"):
        relsearch.evaluate(HUMAN, RUNS, measures=["RR@10"], judgments=few)
