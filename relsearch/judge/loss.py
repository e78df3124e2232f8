"""The tuning loss: grades as they are, and the order of one query's documents."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from relsearch.judge.head import GradeHead


def grade_loss(grade_logits: Tensor, levels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy; logits [n, grades], levels [n] count from 0, weights have mean 1."""
    return (functional.cross_entropy(grade_logits, levels, reduction="none") * weights).mean()


def listwise_loss(grade_logits: Tensor, levels: Tensor) -> Tensor:
    """Return ListNet's divergence (Cao et al. 2007) between the softmax of grades and of scores, one query's rows."""
    wanted = torch.softmax(levels.float(), dim=0)
    given = torch.log_softmax(GradeHead.scores(grade_logits), dim=0)
    return functional.kl_div(given, wanted, reduction="sum")
