"""The tuning loss: grades as they are, and the order of one query's documents."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from relsearch.config import PointwiseLoss

_TINY = 1e-6


def pointwise_loss(name: PointwiseLoss, scores: Tensor, thresholds: Tensor, levels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over documents of the named loss.

    Scores and levels are [n], levels count from 0, thresholds are [grades - 1], weights have mean 1.
    """
    return (_POINTWISE[name](scores, thresholds, levels) * weights).mean()


def listwise_loss(scores: Tensor, levels: Tensor) -> Tensor:
    """Return ListNet's divergence (Cao et al. 2007) between the softmax of grades and of scores, one query's rows."""
    wanted = torch.softmax(levels.float(), dim=0)
    return functional.kl_div(torch.log_softmax(scores, dim=0), wanted, reduction="sum")


def _cumulative(scores: Tensor, thresholds: Tensor, levels: Tensor) -> Tensor:
    """One binary cross-entropy a threshold (Cao, Mirjalili and Raschka 2020, CORAL)."""
    reached = (levels[:, None] > torch.arange(len(thresholds), device=levels.device)).float()
    margins = scores[:, None] - thresholds
    return functional.binary_cross_entropy_with_logits(margins, reached, reduction="none").sum(dim=1)


def _cross_entropy(scores: Tensor, thresholds: Tensor, levels: Tensor) -> Tensor:
    """The negative log-likelihood of the grade under proportional odds."""
    rows = _distribution(scores, thresholds)
    return -rows.gather(1, levels[:, None]).squeeze(1).log()


def _cross_entropy_distance(scores: Tensor, thresholds: Tensor, levels: Tensor) -> Tensor:
    """Cross-entropy, and the expected squared distance to the grade as a share of the widest."""
    rows = _distribution(scores, thresholds)
    places = torch.arange(rows.shape[1], device=levels.device)
    distance = ((places - levels[:, None]) / (rows.shape[1] - 1)).square()
    return _cross_entropy(scores, thresholds, levels) + (rows * distance).sum(dim=1)


def _distribution(scores: Tensor, thresholds: Tensor) -> Tensor:
    reach = torch.sigmoid(scores[:, None] - thresholds)
    ends = torch.ones_like(scores[:, None])
    rows = torch.cat([ends, reach], dim=1) - torch.cat([reach, 0 * ends], dim=1)
    return rows.clamp_min(_TINY)


_POINTWISE: dict[PointwiseLoss, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cumulative": _cumulative,
    "cross_entropy": _cross_entropy,
    "cross_entropy_distance": _cross_entropy_distance,
}
