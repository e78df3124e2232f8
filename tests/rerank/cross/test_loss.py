"""The listwise part of the loss."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from relsearch.rerank.cross.loss import ResidualListLoss, graded, listnet
from relsearch.rerank.cross.start import load_start


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


def test_micro_batches_change_nothing(tiny_bert: Path) -> None:
    """However many pairs run at once, sorted by length, the loss is that of the list as it was given."""
    model = load_start(str(tiny_bert), max_length=64, seed=1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)), alpha=0.5)
    model.eval()
    texts = ["blue sky " * 9, "a cat", "green tea " * 4, "the sea", "waves " * 20]
    inputs: list[Any] = [["why"], [texts], [[0.1, -2.0, 0.3, 1.0, 0.0]], [[1.0, 1.0, 0.5, 1.0, 1.0]]]
    gains = [torch.tensor([1.0, 0.0, 0.3, 0.0, 0.6])]
    objective = partial(graded, listwise=1, pointwise=1)
    losses = [ResidualListLoss(model, objective, micro_batch=size)(inputs, gains).item() for size in (1, 2, 5)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)
    turned = [["why"], *([list(reversed(part[0]))] for part in inputs[1:])]
    again = ResidualListLoss(model, objective, micro_batch=2)(turned, [gains[0].flip(0)])
    assert again.item() == pytest.approx(losses[0], rel=1e-4)
