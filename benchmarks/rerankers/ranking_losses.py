"""Losses of a list's scores: pairwise, NDCG-weighted pairwise, and by approximated ranks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pairwise(score: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
    """RankNet (Burges et al. 2005): the mean logistic loss of all pairs of different gains."""
    return _over_pairs(score, gain, weight[:, None] * weight)


def lambda_ndcg(score: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
    """LambdaRank as a loss (Wang et al. 2018): RankNet's pairs, each weighed by what its exchange does to NDCG."""
    discount = 1 / torch.log2(1 + score.detach().argsort(descending=True).argsort() + 1.0)
    change = (gain[:, None] - gain).abs() * (discount[:, None] - discount).abs()
    return _over_pairs(score, gain, weight[:, None] * weight * change)


def approximate_ranks(score: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
    """ADR-MSE (Schlatt et al. 2024): squared error of smooth ranks to the gains' own, discounted by those.

    Documents of one gain share the middle of their ranks.
    """
    others = ~torch.eye(len(score), dtype=torch.bool)
    rank = 1 + (torch.sigmoid(score - score[:, None]) * others).sum(dim=1)
    target = 1 + (gain > gain[:, None]).float().sum(dim=1) + ((gain == gain[:, None]) & others).float().sum(dim=1) / 2
    return (weight * (rank - target) ** 2 / torch.log2(target + 1)).sum() / weight.sum()


def _over_pairs(score: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of -log sigmoid(score - other score) over pairs whose first document has more gain."""
    better = (gain[:, None] > gain).float() * weight
    losses = functional.softplus(score - score[:, None])
    return (better * losses).sum() / better.sum().clamp_min(1e-9)
