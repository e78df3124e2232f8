"""Label logits of many pairs: grouped by query, sorted by length, in small batches, back in the pairs' order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from relsearch.judge.base import label_logits
from relsearch.judge.prompt import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Bounds the memory of a batch whatever its documents' length: 16 documents of 250 tokens.
MAX_BATCH_TOKENS = 4096


def read_labels(
    model: PreTrainedModel,
    tokens: Sequence[Tokens],
    labels: Sequence[int],
    *,
    batch_size: int,
    advance: Callable[[int], object] = lambda done: done,
) -> Tensor:
    """Return label logits, shape [pairs, labels]; `advance` is called with the size of each finished batch."""
    rows = torch.zeros(len(tokens), len(labels))
    with torch.inference_mode():
        for batch in batches(tokens, batch_size):
            logits = label_logits(model, tokens[batch[0]].prefix, [tokens[row].rest for row in batch], labels)
            rows[batch] = logits.cpu()
            advance(len(batch))
    return rows


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
