"""The listwise part of the loss."""

from __future__ import annotations

import math

import pytest
import torch

from relsearch.rerank.loss import listnet


def test_listnet_on_equal_scores_is_the_log_of_the_list() -> None:
    """With equal scores, the cross-entropy is log n."""
    loss = listnet(torch.zeros(4), torch.tensor([1.0, 0, 0, 0]), torch.ones(4))
    assert loss.item() == pytest.approx(math.log(4))


def test_a_weight_counts_as_copies() -> None:
    """A document of weight two is the document twice."""
    weighted = listnet(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.5]), torch.tensor([1.0, 2.0]))
    copied = listnet(torch.tensor([1.0, 2.0, 2.0]), torch.tensor([1.0, 0.5, 0.5]), torch.ones(3))
    # The copies share one place in the target, so only the entropy of that split differs.
    assert weighted.item() == pytest.approx(copied.item() - 0.5 * math.log(2), abs=1e-6)


def test_a_list_without_gain_costs_nothing() -> None:
    """No document to prefer, no listwise loss."""
    assert listnet(torch.tensor([1.0, 2.0]), torch.zeros(2), torch.ones(2)).item() == 0


def test_raising_the_better_document_lowers_the_loss() -> None:
    """The gradient points from worse to better."""
    scores = torch.zeros(3, requires_grad=True)
    listnet(scores, torch.tensor([1.0, 0.3, 0.0]), torch.ones(3)).backward()
    assert scores.grad is not None
    assert scores.grad[0] < scores.grad[1] < scores.grad[2]
