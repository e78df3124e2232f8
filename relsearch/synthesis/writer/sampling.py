"""Sampling whose draws belong to a text, not to its batch: the same text gets the same queries in any batch.

Each row takes one number a token from its own generator. Tokens are drawn from the nucleus (Holtzman et al. 2020): the
most probable ones that together hold `top_p`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

# No nucleus that is worth writing from has more tokens, and sorting a whole vocabulary takes longer than a small model.
_MOST = 1024


class SeededDraws(LogitsProcessor):
    """Turns greedy decoding into sampling: one generator a row, made from that row's key."""

    def __init__(self, keys: Sequence[str], *, temperature: float = 1.0, top_p: float = 1.0) -> None:
        self._generators = [np.random.Generator(np.random.PCG64(_number(key))) for key in keys]
        self._temperature = temperature
        self._top_p = top_p

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return zero for the token that each row draws and minus infinity for others, shape [rows, vocabulary]."""
        scores = scores.float() / self._temperature
        best, tokens = scores.topk(min(_MOST, scores.shape[1]), dim=1)
        sums = torch.exp(best - torch.logsumexp(scores, dim=1, keepdim=True)).cumsum(dim=1)
        last = (sums < self._top_p).sum(dim=1, keepdim=True).clamp(max=sums.shape[1] - 1)
        numbers = torch.tensor([[each.random()] for each in self._generators], dtype=sums.dtype, device=sums.device)
        places = torch.searchsorted(sums, numbers * sums.gather(1, last), right=True).clamp(max=last)
        return torch.full_like(scores, -torch.inf).scatter(1, tokens.gather(1, places), 0.0)


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16], "big")
