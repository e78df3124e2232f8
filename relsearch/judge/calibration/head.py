"""The judge's head, the same for every family of models: retrieval features plus what the model adds.

score = slope * z(known) + w · features,   P(grade >= k) = sigmoid(score - threshold_k)

`known` is the retrieval features' score. Its part, the prior, is a cumulative-link model fitted on the training pairs
and not tuned; w starts at zero, so that the judge starts at the prior and learns only what the prior lacks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relsearch.stats.ordinal import CumulativeLink


class OrdinalHead(nn.Module):
    """Scores pairs from features [n, width] and retrieval features' scores [n]; weights and thresholds are learned."""

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
        """Set the model's part to zero."""
        nn.init.zeros_(self.added.weight)

    def forward(self, features: Tensor, known: Tensor) -> Tensor:
        """Return the ordinal score of each row, shape [n], float32."""
        prior = self.prior.slope * (known.float() - self.prior.mean) / self.prior.deviation
        added: Tensor = self.added(features.float()).squeeze(1)
        return prior.to(added.device) + added
