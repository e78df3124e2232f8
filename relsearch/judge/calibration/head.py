"""The judge's head, alike for every family of models: what retrieval knows plus what the model adds.

score = slope * z(evidence) + w · features,   P(grade >= k) = sigmoid(score - threshold_k)

The first part is a cumulative-link model fitted on the training pairs' evidence and held fixed; w starts at zero, so
the judge starts at the evidence and learns only what the evidence lacks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relsearch.stats.ordinal import CumulativeLink


class OrdinalHead(nn.Module):
    """Scores pairs from features [n, width] and evidence [n]; weights and thresholds are learned."""

    thresholds: nn.Parameter

    def __init__(self, prior: CumulativeLink, width: int) -> None:
        super().__init__()
        self.prior = prior
        self.added = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.added.weight)
        self.thresholds = nn.Parameter(torch.tensor(prior.thresholds, dtype=torch.float32))

    @property
    def silent(self) -> bool:
        """Whether the model adds nothing, so that its features need not be computed."""
        return not bool(self.added.weight.any())

    def silence(self) -> None:
        """Leave the evidence alone to decide."""
        nn.init.zeros_(self.added.weight)

    def forward(self, features: Tensor, evidence: Tensor) -> Tensor:
        """Return the ordinal score of each row, shape [n], float32."""
        known = self.prior.slope * (evidence.float() - self.prior.mean) / self.prior.deviation
        added: Tensor = self.added(features.float()).squeeze(1)
        return known.to(added.device) + added
