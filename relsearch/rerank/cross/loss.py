"""The graded loss on prior + residual: weighted ListNet (Cao et al. 2007) plus a pointwise cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


Objective = Callable[[Tensor, Tensor, Tensor], Tensor]  # the loss of one list's scores, gains and weights, each [n]


class ResidualListLoss(nn.Module):
    """Loss for CrossEncoderTrainer on rows (query, documents, prior logits, weights) with gains as labels.

    A document's score is prior + h(query, document); `objective` says what a list of them costs.
    Pairs run through the model sorted by length, `micro_batch` at a time.
    """

    def __init__(self, model: CrossEncoder, objective: Objective, *, micro_batch: int) -> None:
        super().__init__()
        self.model = model
        self.micro_batch = micro_batch
        self.objective = objective

    def forward(
        self,
        inputs: Sequence[Any],
        labels: Sequence[Tensor],
        prompt: str | None = None,
        task: str | None = None,
    ) -> Tensor:
        """Return the mean loss over the lists of the batch."""
        queries, documents, priors, weights = inputs
        losses = []
        for query, texts, prior, weight, gain in zip(queries, documents, priors, weights, labels, strict=True):
            residual = self._residuals(query, texts)
            known = (
                torch.as_tensor(part, dtype=torch.float32, device=residual.device) for part in (prior, gain, weight)
            )
            losses.append(self._loss(residual, *known))
        return torch.stack(losses).mean()

    def _residuals(self, query: str, texts: Sequence[str]) -> Tensor:
        from sentence_transformers.util import batch_to_device

        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        parts = []
        for start in range(0, len(order), self.micro_batch):
            pairs: list[Any] = [(query, texts[place]) for place in order[start : start + self.micro_batch]]
            features = batch_to_device(self.model.preprocess(pairs), self.model.device)
            parts.append(self.model(features)["scores"].view(-1).float())
        places = torch.tensor(order, device=self.model.device).argsort()
        return torch.cat(parts)[places]

    def _loss(self, residual: Tensor, prior: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
        return self.objective(prior + residual, gain, weight)


def graded(score: Tensor, gain: Tensor, weight: Tensor, *, listwise: float, pointwise: float) -> Tensor:
    """Return the weighted sum of ListNet and of the weighted mean cross-entropy of one list's scores to its gains.

    Listwise: cross-entropy between gain / sum of gains and the softmax of the scores, a weight counting as so many
    copies of the document. Pointwise: it keeps the score a logit of relevance.
    """
    points = functional.binary_cross_entropy_with_logits(score, gain, weight=weight, reduction="sum")
    return listwise * listnet(score, gain, weight) + pointwise * points / weight.sum()


def listnet(score: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted ListNet loss of one list; 0 where no document has any gain."""
    target = weight * gain
    log_model = score + weight.log() - torch.logsumexp(score + weight.log(), dim=0)
    return -(target * log_model).sum() / target.sum().clamp_min(1e-9)
