"""Sampling whose draws belong to a text, not to its batch: the same text gets the same queries in any batch.

Tokens are drawn from the nucleus (Holtzman et al. 2020), the most probable ones that together hold `top_p`. Adding
standard Gumbel noise to their log-probabilities and taking the highest is a draw from them (Gumbel 1954). A token's
noise depends on the text and the token alone, so that a batch's rounding seldom changes what is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessor

# No nucleus that is worth writing from has more tokens, and sorting a whole vocabulary takes longer than a small model.
_MOST = 1024


class SeededDraws(LogitsProcessor):
    """Turns greedy decoding into sampling: one generator a row, made from that row's key.

    Tokens of `never_first` are not drawn in the first call.
    """

    def __init__(
        self, keys: Sequence[str], *, temperature: float = 1.0, top_p: float = 1.0, never_first: Sequence[int] = ()
    ) -> None:
        self._generators = [np.random.Generator(np.random.PCG64(_number(key))) for key in keys]
        self._temperature = temperature
        self._top_p = top_p
        self._excluded = torch.tensor(never_first, dtype=torch.long)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return zero for the token that each row draws and minus infinity for others, shape [rows, vocabulary]."""
        scores = scores.float() / self._temperature
        if len(self._excluded):
            scores = scores.index_fill(1, self._excluded.to(scores.device), -torch.inf)
            self._excluded = self._excluded[:0]
        best, tokens = scores.topk(min(_MOST, scores.shape[1]), dim=1)
        logs = best - torch.logsumexp(scores, dim=1, keepdim=True)
        before = logs.exp().cumsum(dim=1) - logs.exp()  # what is more probable holds so much
        numbers = np.array([[each.integers(2**64, dtype=np.uint64)] for each in self._generators])
        noise = torch.from_numpy(_gumbel(numbers, tokens.cpu().numpy())).to(scores.device)
        drawn = (logs + noise).masked_fill(before >= self._top_p, -torch.inf).argmax(dim=1, keepdim=True)
        return torch.full_like(scores, -torch.inf).scatter(1, tokens.gather(1, drawn), 0.0)


def _gumbel(numbers: NDArray[np.uint64], tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Noise of each row's tokens, shape [rows, n], by the row's number [rows, 1]: SplitMix64 (Steele et al. 2014)."""
    mixed = numbers + (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    shares = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return np.asarray(-np.log(-np.log(shares)), dtype=np.float32)


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16], "big")
