"""Figures of scores against human grades, and those that the labels leave undefined."""

from __future__ import annotations

import pytest

from relsearch.core.types import SCALES
from relsearch.judge.tuning.quality import quality

SCORES = [0.1, 0.9, 0.4, 0.7]
QUERIES = ["a", "a", "b", "b"]


def test_scores_that_follow_the_grades_are_best() -> None:
    """Kappas and AUCs are 1."""
    found = quality(SCORES, [0, 3, 1, 2], QUERIES, SCALES["0-3"])
    assert (found.kappa, found.kappa_binary, found.auc, found.within_query_auc) == (1, 1, 1, 1)


@pytest.mark.parametrize(("grades", "kappa", "kappa_binary"), [([1, 1, 1, 1], None, None), ([0, 1, 0, 1], 0.6, None)])
def test_one_grade_alone_has_no_kappa(grades: list[int], kappa: float | None, kappa_binary: float | None) -> None:
    """Nor has its binary one where no pair is relevant; neither is 0."""
    found = quality(SCORES, grades, QUERIES, SCALES["0-3"])
    assert found.kappa == pytest.approx(kappa)
    assert (found.kappa_binary, found.auc) == (kappa_binary, None)
    assert found.to_json()["kappa_binary"] is None
