"""Sampling whose draws belong to a text, not to its batch: the same text gets the same queries in any batch.

Adding standard Gumbel noise to the log-probabilities and taking the highest is a draw from them (Gumbel 1954); each row
takes its noise from its own generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor


class SeededDraws(LogitsProcessor):
    """Turns greedy decoding into sampling: one generator a row, made from that row's key."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._generators = [np.random.Generator(np.random.PCG64(_number(key))) for key in keys]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the log-probabilities with noise, shape [rows, vocabulary]."""
        noise = np.stack([each.gumbel(size=scores.shape[1]).astype(np.float32) for each in self._generators])
        return torch.log_softmax(scores.float(), dim=-1) + torch.from_numpy(noise).to(scores.device)


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16], "big")
