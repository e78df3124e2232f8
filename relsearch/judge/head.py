"""The judge's head: what retrieval knows, as a prior over grades, plus what the language model adds.

grade logits = log P(grade | cosine) + gamma * (centred label logits - offset)

P is a cumulative-link model fitted on the training pairs' cosines and held fixed. An untuned small model says much
the same to every pair; the offset starts as that constant answer, so that the judge starts at the evidence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relsearch.ordinal import CumulativeLink


class GradeHead(nn.Module):
    """Combines label logits with evidence; `gamma` and `offset` (one a grade) are learned. The prior may be absent."""

    gamma: nn.Parameter
    offset: nn.Parameter

    def __init__(self, prior: CumulativeLink | None, *, gamma: float, offset: Tensor) -> None:
        super().__init__()
        self.prior = prior
        self.gamma = nn.Parameter(torch.tensor(float(gamma)))
        self.offset = nn.Parameter(offset.detach().float().clone())

    def forward(self, label_logits: Tensor, cosines: Tensor) -> Tensor:
        """Return grade logits, shape [n, grades], in float32."""
        added = self.gamma * (centred(label_logits) - self.offset)
        return added if self.prior is None else added + self._log_prior(self.prior, cosines.to(added.device))

    @staticmethod
    def scores(grade_logits: Tensor) -> Tensor:
        """Return the expected level (0 = lowest grade) of each row, shape [n]."""
        levels = torch.arange(grade_logits.shape[1], device=grade_logits.device, dtype=torch.float32)
        return torch.softmax(grade_logits, dim=1) @ levels

    @staticmethod
    def _log_prior(prior: CumulativeLink, cosines: Tensor) -> Tensor:
        probabilities = prior.probabilities(cosines.detach().cpu().numpy())
        return torch.as_tensor(probabilities, dtype=torch.float32, device=cosines.device).log()


def centred(label_logits: Tensor) -> Tensor:
    """Return the logits less their mean over the grades of each row, in float32."""
    return label_logits.float() - label_logits.float().mean(dim=1, keepdim=True)
