"""The tuning losses: each is lowest where scores and grades agree."""

from __future__ import annotations

import pytest
import torch

from relsearch.judge.tuning.loss import cumulative_loss, listwise_loss

_THRESHOLDS = torch.tensor([-1.0, 0.0, 1.0])
_LEVELS = torch.tensor([0, 1, 2, 3])


def _loss(scores: list[float], weights: list[float] | None = None) -> float:
    weighed = torch.tensor(weights or [1.0] * len(scores))
    return float(cumulative_loss(torch.tensor(scores), _THRESHOLDS, _LEVELS, weighed))


def test_scores_in_the_order_of_the_grades_cost_least() -> None:
    """Right beats level, and level beats reversed."""
    right, level, wrong = (_loss(scores) for scores in ([-3.0, -0.5, 0.5, 3.0], [0.0] * 4, [3.0, 0.5, -0.5, -3.0]))
    assert right < level < wrong


def test_weights_decide_which_documents_count() -> None:
    """A document of weight 0 costs nothing."""
    assert _loss([50.0, -0.5, 0.5, 3.0], [0.0, 1.0, 1.0, 1.0]) == pytest.approx(
        _loss([0.0, -0.5, 0.5, 3.0], [0.0, 1.0, 1.0, 1.0])
    )


def test_extreme_scores_stay_finite() -> None:
    """A score far beyond every threshold has a finite loss and gradient."""
    scores = torch.tensor([1e4, -1e4, 0.0, -1e4], requires_grad=True)
    loss = cumulative_loss(scores, _THRESHOLDS, _LEVELS, torch.ones(4))
    loss.backward()
    assert torch.isfinite(loss)
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


def test_the_listwise_loss_is_zero_at_the_grades_themselves() -> None:
    """It is a divergence: nothing where the softmaxes are one, more where the order is reversed."""
    assert float(listwise_loss(_LEVELS.float() + 5, _LEVELS)) == pytest.approx(0, abs=1e-6)
    assert float(listwise_loss(-_LEVELS.float(), _LEVELS)) > 1
