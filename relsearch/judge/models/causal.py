"""The LLM family: a causal model reads a pair in one forward pass, the prefix of a query once for its documents."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from relsearch.judge.models.pooling import mean_and_edge
from relsearch.judge.models.prompt import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class CausalReader:
    """Reads pairs with all of a decoder's blocks. Features: mean state over document and ending, and last state."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model

    @property
    def width(self) -> int:
        """The length of a feature vector."""
        return 2 * int(self._model.config.hidden_size)

    def features(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the features of pairs that share one prefix, shape [n, width], float32."""
        states, mask = self._read(tokens)
        return mean_and_edge(states, mask, states[:, -1])

    def last_states(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the state after the last token of pairs that share one prefix, shape [n, hidden size]."""
        return self._read(tokens)[0][:, -1]

    def _read(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        return run_blocks(self._model.get_decoder(), *embedded(self._model, tokens), first=0)[1:]


class LayersFrom(DynamicCache):
    """A key-value cache for the blocks from `first` on, which number themselves as in the whole model."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *rest: Any, **named: Any) -> Any:
        """Append keys and values of one block."""
        return super().update(key_states, value_states, layer_idx - self._first, *rest, **named)


def embedded(model: PreTrainedModel, tokens: Sequence[Tokens]) -> tuple[Tensor, list[Tensor]]:
    """Return the token embeddings of the shared prefix and of each rest, shapes [tokens, hidden size]."""
    table = model.get_input_embeddings()
    ids = [tokens[0].prefix, *(row.rest for row in tokens)]
    prefix, *rests = (table(torch.tensor(row, device=model.device)) for row in ids)
    return prefix, rests


def run_blocks(
    blocks: nn.Module, prefix: Tensor, rests: Sequence[Tensor], *, first: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the prefix's states, the rests' states [n, longest, size] and their mask [n, longest].

    The prefix's keys and values are computed once and shared by all rests, in tuning as in judging. Rests are padded
    on the left, behind the prefix, so that the last token of every row stands at the end.
    """
    longest = max(len(rest) for rest in rests)
    states = torch.stack([nn.functional.pad(rest, (0, 0, longest - len(rest), 0)) for rest in rests])
    lengths = torch.tensor([len(rest) for rest in rests], device=states.device)
    mask = (torch.arange(longest, device=states.device) >= (longest - lengths)[:, None]).long()
    cache: Any = LayersFrom(first)
    with torch.autocast(states.device.type, torch.bfloat16, enabled=states.dtype is torch.bfloat16):
        before = blocks(inputs_embeds=prefix[None], cache=cache, use_cache=True).last_hidden_state
        cache.batch_repeat_interleave(len(rests))
        after = blocks(
            inputs_embeds=states,
            attention_mask=torch.cat([mask.new_ones(len(rests), len(prefix)), mask], dim=1),
            position_ids=len(prefix) + (mask.cumsum(dim=1) - 1).clamp(min=0),
            cache=cache,
            use_cache=True,
        ).last_hidden_state
    return before[0], after, mask.bool()


def inner_blocks(decoder: Any, first: int, stop: int) -> nn.Module:
    """Return a decoder of the blocks from `first` to before `stop`, whose weights it shares, without the final norm."""
    part = _with_blocks(decoder, first, stop)
    part.norm = nn.Identity()
    return part


def upper_blocks(decoder: Any, depth: int) -> nn.Module:
    """Return a decoder of the blocks above `depth` that shares their weights, adapters included."""
    return _with_blocks(decoder, depth, None)


def _with_blocks(decoder: Any, first: int, stop: int | None) -> nn.Module:
    blocks, types = list(decoder.layers)[first:stop], vars(decoder.config).get("layer_types")
    part = copy.copy(decoder)
    part._modules = dict(decoder._modules)
    part.config = copy.copy(decoder.config)
    part.config.num_hidden_layers = len(blocks)
    if types is not None:  # of each block, by its place: Gemma 3 has others for every sixth one
        part.config.layer_types = list(types)[first:stop]
    part.layers = nn.ModuleList(blocks)
    return cast("nn.Module", part)
