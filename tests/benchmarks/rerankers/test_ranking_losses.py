"""The losses that benchmarks.rerankers.starts compares are those of their papers."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.rerankers.ranking_losses import approximate_ranks, lambda_ndcg, pairwise
from relsearch.rerank.cross.loss import Objective

GAIN, ONES = torch.tensor([0.0, 1.0, 1 / 3]), torch.ones(3)


def test_pairs_of_equal_gain_cost_nothing() -> None:
    """Of two documents it is log(1 + exp(-difference)); a list of one gain has no pair."""
    loss = pairwise(torch.tensor([2.0, 0.5]), torch.tensor([1.0, 0.0]), torch.ones(2))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-1.5)))
    assert pairwise(torch.tensor([2.0, 0.5]), torch.ones(2), torch.ones(2)).item() == 0


def test_a_pair_weighs_what_its_exchange_does_to_ndcg() -> None:
    """Discounts are of the ranks by score: third, first and second here."""
    score = torch.tensor([-1.0, 2.0, 0.0])
    discounts = [1 / math.log2(1 + rank) for rank in (3, 1, 2)]
    pairs = {(1, 0): 3.0, (1, 2): 2.0, (2, 0): 1.0}  # better, worse: difference of scores
    weights = {(i, j): abs(float(GAIN[i] - GAIN[j])) * abs(discounts[i] - discounts[j]) for i, j in pairs}
    expected = sum(weights[pair] * math.log1p(math.exp(-difference)) for pair, difference in pairs.items())
    assert lambda_ndcg(score, GAIN, ONES).item() == pytest.approx(expected / sum(weights.values()), rel=1e-5)


def test_ranks_that_are_the_gains_own_cost_nothing() -> None:
    """Far apart in the right order smooth ranks are ranks; documents of one gain share the middle of theirs."""
    assert approximate_ranks(60 * GAIN, GAIN, ONES).item() == pytest.approx(0, abs=1e-6)
    tied = approximate_ranks(torch.tensor([0.0, 60.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), ONES)
    assert tied.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [pairwise, lambda_ndcg, approximate_ranks])
def test_raising_the_best_document_lowers_the_loss(loss: Objective) -> None:
    """Where it stands below a worse one; and the worse one's gradient points down."""
    score = torch.tensor([2.0, 0.0, 1.0], requires_grad=True)
    loss(score, GAIN, ONES).backward()
    assert score.grad is not None
    assert score.grad[1] < 0 < score.grad[0]
