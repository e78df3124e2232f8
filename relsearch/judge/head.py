"""The judge's head: what retrieval knows, as a prior over grades, plus what the language model adds.

grade logits = log P(grade | cosine) + gamma * (label logits - their mean). P is a cumulative-link model fitted on
the training pairs' cosines and held fixed; gamma starts near 0, so the judge starts at the evidence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relsearch.ordinal import CumulativeLink


class GradeHead(nn.Module):
    """Combines label logits with the evidence; `gamma` is learned. Without a prior the label logits stand alone."""

    gamma: nn.Parameter

    def __init__(self, prior: CumulativeLink | None, *, gamma: float) -> None:
        super().__init__()
        self.prior = prior
        self.gamma = nn.Parameter(torch.tensor(float(gamma)))

    def forward(self, label_logits: Tensor, cosines: Tensor) -> Tensor:
        """Return grade logits, shape [n, grades], in float32."""
        added = self.gamma * (label_logits.float() - label_logits.float().mean(dim=1, keepdim=True))
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
