"""Feature vectors from a model's last layer, alike for every family."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relsearch.encoders.pooling import mean


def mean_and_edge(states: Tensor, mask: Tensor, edge: Tensor) -> Tensor:
    """Return mean and edge state side by side, each normed, in float32.

    States are [n, tokens, size], the mask [n, tokens] is true where a token counts, the edge [n, size] is the state
    of the one token that the model sums up in: the last of a causal model, the first of an encoder.
    """
    return torch.cat([normed(mean(states, mask)), normed(edge.float())], dim=1)


def normed(rows: Tensor) -> Tensor:
    """Return each row with mean 0 and deviation 1."""
    return nn.functional.layer_norm(rows, rows.shape[1:])
