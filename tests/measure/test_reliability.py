"""Reliability: bins, calibration errors and the diagram, on judges whose reliability is known."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest

from relsearch.core.errors import DataError
from relsearch.core.tables import judgments_table
from relsearch.core.types import SCALES, Judgment
from relsearch.measure.reliability import Reliability, has_probabilities, reliability

SCALE = SCALES["0-3"]


def _tables(grades: np.ndarray, probabilities: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
    human, judged = [], []
    for row, (grade, shares) in enumerate(zip(grades, probabilities, strict=True)):
        query_id, doc_id, best = f"q{row % 30}", f"d{row}", int(shares.argmax())
        human.append(Judgment(query_id, doc_id, int(grade), "human"))
        expected = float(shares @ np.arange(4))
        judged.append(
            Judgment(query_id, doc_id, best, "judge", "j", tuple(shares.tolist()), expected, float(shares[best]))
        )
    return judgments_table(human), judgments_table(judged)


def _found(grades: np.ndarray, probabilities: np.ndarray) -> Reliability:
    return reliability(*_tables(grades, probabilities), SCALE, resamples=300, seed=1)


def _calibrated(pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Grades that are drawn from the very distributions that the judge gives."""
    rng = np.random.default_rng(2)
    probabilities = rng.dirichlet([0.5] * 4, size=pairs)
    return np.array([rng.choice(4, p=shares) for shares in probabilities]), probabilities


def test_a_judge_that_knows_its_doubts_is_calibrated() -> None:
    """Grades drawn from the judge's own distributions leave errors near zero in every well-filled bin."""
    found = _found(*_calibrated(6000))
    assert found.ece_relevant is not None
    assert found.ece_relevant.value < 0.02
    assert found.ece_confidence.value < 0.02
    for each in found.bins:
        if each.pairs > 300:
            assert each.confidence == pytest.approx(each.exact, abs=0.06)


def test_a_judge_that_boasts_is_not() -> None:
    """A judge that always says 0.97 and is right half the time has an error of 0.47."""
    probabilities = np.tile([0.97, 0.01, 0.01, 0.01], (60, 1))
    found = _found(np.array([0, 3] * 30), probabilities)
    assert found.ece_confidence.value == pytest.approx(0.47)
    assert found.ece_relevant is not None
    assert found.ece_relevant.value == pytest.approx(0.48)
    assert found.pairs_above_90 == 60
    assert found.share_within_one_above_90 is not None
    assert found.share_within_one_above_90.value == 0.5
    assert found.bins[-1].exact == 0.5
    assert [each.pairs for each in found.bins[:-1]] == [0] * 9


def test_without_sure_pairs_there_is_no_share_of_them() -> None:
    """A judge that is never 0.9 sure has no such figure, and the table says so."""
    found = _found(np.arange(40) % 4, np.tile([0.4, 0.3, 0.2, 0.1], (40, 1)))
    assert found.share_within_one_above_90 is None
    assert found.to_table().splitlines()[-1].split() == ["within", "one,", "above", "0.9", "(0", "pairs)", "-", "-"]
    assert found.to_json()["share_within_one_above_90"] is None


@pytest.mark.parametrize("grade", [1, 2])
def test_labels_on_one_side_do_not_tell_the_error_of_relevance(grade: int) -> None:
    """Where no pair is relevant, perhaps since the scale is another one, or all are, the figure is a dash."""
    found = _found(np.full(40, grade), np.tile([0.4, 0.3, 0.2, 0.1], (40, 1)))
    assert found.ece_relevant is None
    assert found.to_json()["ece_relevant"] is None
    assert found.to_table().splitlines()[-3].split() == ["ECE", "of", "P(relevant)", "-", "-"]


def test_every_pair_is_in_one_bin_and_the_table_is_narrow() -> None:
    """Bins add up to all pairs, the text fits a terminal, and the JSON is plain."""
    found = _found(*_calibrated(500))
    assert sum(each.pairs for each in found.bins) == found.pairs == 500
    assert max(map(len, found.to_table().splitlines())) <= 80
    assert json.loads(json.dumps(found.to_json()))["bins"][9]["high"] == 1.0


def test_the_diagram_is_svg_with_a_dot_for_each_filled_bin() -> None:
    """The diagram parses as XML and draws both series, and two in the legend."""
    found = _found(*_calibrated(500))
    root = ET.fromstring(found.to_svg())  # noqa: S314 - our own output
    circles = root.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 2 * sum(each.pairs > 0 for each in found.bins) + 2


def test_labels_without_probabilities_are_refused() -> None:
    """Human labels have nothing to hold against the grades."""
    human, judged = _tables(*_calibrated(4))
    assert has_probabilities(judged)
    assert not has_probabilities(human)
    with pytest.raises(DataError, match="carry no probabilities"):
        reliability(human, human, SCALE, resamples=100, seed=1)


def test_probabilities_of_another_scale_are_refused() -> None:
    """Four probabilities do not fit a binary scale."""
    human, judged = _tables(np.array([0, 1]), np.tile([0.7, 0.1, 0.1, 0.1], (2, 1)))
    with pytest.raises(DataError, match="probabilities of 4 grades on scale 0-1"):
        reliability(human, judged, SCALES["binary"], resamples=100, seed=1)
