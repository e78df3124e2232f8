"""Feature vectors from a model's last layer, alike for every family."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def pooled(states: Tensor, mask: Tensor, edge: Tensor) -> Tensor:
    """Return mean and edge state side by side, each normalised to mean 0 and deviation 1, in float32.

    States are [n, tokens, size], the mask [n, tokens] is 1 where a token counts, the edge [n, size] is the state
    of the one token that the model sums up in: the last of a causal model, the first of an encoder.
    """
    kept = mask.unsqueeze(2).float()
    mean = (states.float() * kept).sum(dim=1) / kept.sum(dim=1).clamp_min(1)
    return torch.cat([nn.functional.layer_norm(part, part.shape[1:]) for part in (mean, edge.float())], dim=1)
