"""P(relevant) within a pool: the order stays, small pools lean on a typical one, other collections shift nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.rerank.pool_calibration import PoolCalibration
from relsearch.stats.logistic import Logistic

LINK = Logistic(slope=1.5, intercept=-2.0)
CALIBRATION = PoolCalibration(link=LINK, mean=-3.5, deviation=1.0, weight=10.0)
SCORES = st.floats(1e-9, 1 - 1e-9)


@given(st.lists(SCORES, min_size=1, max_size=30, unique_by=lambda score: round(score, 6)))
def test_the_order_stays(scores: list[float]) -> None:
    """Calibrated scores rank a pool as its scores did, strictly inside (0, 1)."""
    found = CALIBRATION.calibrate(scores)
    assert np.argsort(found).tolist() == np.argsort(scores).tolist()
    assert all(0 < each < 1 for each in found)


def test_scores_that_lie_lower_in_another_collection_mean_the_same() -> None:
    """All logits of a large pool moved and spread alike change little."""
    logits = np.random.default_rng(1).normal(-3.5, 1.0, 1000)
    moved = 1.3 * logits - 2
    first, second = (CALIBRATION.calibrate(Logistic().probabilities(each).tolist()) for each in (logits, moved))
    assert max(first) > 0.8
    assert np.abs(np.subtract(first, second)).max() < 0.03


def test_a_candidate_alone_is_held_to_a_typical_pool() -> None:
    """It has no distribution of its own: half a deviation above the typical mean is not the best of a hundred."""
    (average,) = CALIBRATION.calibrate(Logistic().probabilities([-3.5]).tolist())
    (better,) = CALIBRATION.calibrate(Logistic().probabilities([0.0]).tolist())
    assert average == pytest.approx(LINK.probabilities([0.0])[0])
    assert better > 0.5
    assert CALIBRATION.calibrate([]) == []
