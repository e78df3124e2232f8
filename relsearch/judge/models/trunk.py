"""Readers of a model whose lower part is frozen: its states of all tuning pairs are computed once and kept on disk.

Only the upper layers are tuned, so that whatever the lower ones compute is the same at every epoch and look.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from relsearch.judge.models.bidirectional import EncoderReader
from relsearch.judge.models.causal import CausalReader, embedded, inner_blocks, run_blocks, upper_blocks
from relsearch.judge.models.prompt import Tokens
from relsearch.judge.models.states import KeptStates

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BATCH = 8


class UpperCausalReader(CausalReader):
    """Reads pairs with the blocks above `depth`, from kept states; only pairs it was made for.

    `weights` names the model's weights: states that others left in the folder are not read.
    """

    def __init__(
        self, model: PreTrainedModel, tokens: Sequence[Tokens], *, depth: int, folder: Path, weights: str
    ) -> None:
        super().__init__(model)
        self._depth = depth
        self._upper = upper_blocks(model.get_decoder(), depth)
        self._lower = inner_blocks(model.get_decoder(), 0, depth)
        rows = sorted(set(tokens), key=_order)
        counts: dict[Hashable, int] = {row.prefix: len(row.prefix) for row in rows}
        counts |= {row: len(row.rest) for row in rows}
        self._kept = _kept(model, counts, depth=depth, folder=folder, weights=weights)
        groups = [list(group) for _, group in groupby(rows, key=lambda row: row.prefix)]
        self._kept.fill(groups, self._compute)

    def _read(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        device = self._model.device
        prefix = self._kept[tokens[0].prefix].to(device)
        return run_blocks(self._upper, prefix, [self._kept[row].to(device) for row in tokens], first=self._depth)[1:]

    def _compute(self, rows: Sequence[Tokens]) -> None:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            prefix, states, mask = run_blocks(self._lower, *embedded(self._model, batch), first=0)
            self._kept[batch[0].prefix].copy_(prefix)
            for row, found, there in zip(batch, states, mask, strict=True):
                self._kept[row].copy_(found[there])


class UpperEncoderReader(EncoderReader):
    """Reads pairs with the layers above `depth` of a BERT-like encoder, from kept states."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: Sequence[Tokens],
        *,
        depth: int,
        folder: Path,
        weights: str,
        padding: int,
        typed: bool,
    ) -> None:
        super().__init__(model, padding=padding, typed=typed)
        self._upper = encoder_layers(model)[depth:]
        self._lower = _lower_encoder(model, depth)
        rows = sorted(set(tokens), key=lambda row: (len(row.prefix) + len(row.rest), row.prefix, row.rest))
        counts: dict[Hashable, int] = {row: len(row.prefix) + len(row.rest) for row in rows}
        self._kept = _kept(model, counts, depth=depth, folder=folder, weights=weights)
        self._kept.fill([rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)], self._compute)

    def _states(self, tokens: Sequence[Tokens], mask: Tensor, second: Tensor) -> Tensor:
        kept = [self._kept[row].to(mask.device) for row in tokens]
        states = nn.utils.rnn.pad_sequence(kept, batch_first=True)
        # What attention adds to a logit: nothing where there is a token, the lowest number where there is none.
        blocked = torch.zeros_like(mask, dtype=states.dtype).masked_fill(~mask, torch.finfo(states.dtype).min)
        for layer in self._upper:
            found: Any = layer(states, blocked[:, None, None, :])
            states = found[0] if isinstance(found, tuple) else found
        return states

    def _compute(self, rows: Sequence[Tokens]) -> None:
        mask, second = self._masks(rows)
        with torch.autocast(mask.device.type, torch.bfloat16, enabled=self._model.dtype is torch.bfloat16):
            states = self._embed_and_run(self._lower, rows, mask, second)
        for row, found, there in zip(rows, states, mask, strict=True):
            self._kept[row].copy_(found[there])


def _kept(model: PreTrainedModel, counts: dict[Hashable, int], *, depth: int, folder: Path, weights: str) -> KeptStates:
    size = int(model.config.hidden_size)
    return KeptStates(folder, counts, size=size, dtype=model.dtype, source=f"{weights} below {depth}")


def encoder_layers(model: Any) -> list[nn.Module]:
    """Return the layers of an encoder built as BERT is (BERT, RoBERTa, ELECTRA, XLM-R); of any other, none."""
    return list(getattr(getattr(model, "encoder", None), "layer", ()))


def _lower_encoder(model: Any, depth: int) -> nn.Module:
    """A model of the lowest `depth` layers that shares their weights."""
    part, inner = copy.copy(model), copy.copy(model.encoder)
    inner._modules = {**model.encoder._modules, "layer": nn.ModuleList(encoder_layers(model)[:depth])}
    part._modules = {**model._modules, "encoder": inner}
    return cast("nn.Module", part)


def _order(row: Tokens) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    return row.prefix, len(row.rest), row.rest
