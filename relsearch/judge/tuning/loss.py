"""The tuning loss: grades as they are, and the order of one query's documents."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cumulative_loss(scores: Tensor, thresholds: Tensor, levels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over documents of one binary cross-entropy a threshold (CORAL, Cao et al. 2020).

    Scores and levels are [n], levels count from 0, thresholds are [grades - 1], weights have mean 1.
    """
    reached = (levels[:, None] > torch.arange(len(thresholds), device=levels.device)).float()
    margins = scores[:, None] - thresholds
    each = functional.binary_cross_entropy_with_logits(margins, reached, reduction="none").sum(dim=1)
    return (each * weights).mean()


def listwise_loss(scores: Tensor, levels: Tensor) -> Tensor:
    """Return ListNet's divergence (Cao et al. 2007) between the softmax of grades and of scores, one query's rows."""
    wanted = torch.softmax(levels.float(), dim=0)
    return functional.kl_div(torch.log_softmax(scores, dim=0), wanted, reduction="sum")
