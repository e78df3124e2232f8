"""Features of many pairs: grouped by query, sorted by length, in small batches, back in the pairs' order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from relsearch.judge.models.prompt import Tokens

# Bounds the memory of a batch whatever its documents' length: 16 documents of 250 tokens.
MAX_BATCH_TOKENS = 4096


def read_all(
    read: Callable[[Sequence[Tokens]], Tensor],
    tokens: Sequence[Tokens],
    *,
    batch_size: int,
    advance: Callable[[int], object] = lambda done: done,
) -> Tensor:
    """Return what `read` gives for every pair, one row each; `advance` is called with the size of each batch."""
    order: list[int] = []
    parts: list[Tensor] = []
    with torch.inference_mode():
        for batch in batches(tokens, batch_size):
            parts.append(read([tokens[row] for row in batch]).float().cpu())
            order += batch
            advance(len(batch))
    return torch.cat(parts)[torch.tensor(order).argsort()] if parts else torch.zeros(0, 0)


def batches(tokens: Sequence[Tokens], batch_size: int) -> Iterator[list[int]]:
    """Yield rows of one prefix and like length, each row once; a batch holds at most MAX_BATCH_TOKENS with padding."""
    order = sorted(range(len(tokens)), key=lambda row: (tokens[row].prefix, -len(tokens[row].rest), row))
    for _, group in groupby(order, key=lambda row: tokens[row].prefix):
        waiting = list(group)
        while waiting:
            # The first is the longest, so it decides what every row of the batch is padded to.
            size = max(1, min(batch_size, MAX_BATCH_TOKENS // max(1, len(tokens[waiting[0]].rest))))
            yield waiting[:size]
            waiting = waiting[size:]
