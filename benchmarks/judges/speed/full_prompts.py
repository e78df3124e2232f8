"""What relsearch's readers are compared with: every prompt read in full, padded on the right, in the order given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from relsearch.judge.models.pooling import mean_and_edge
from relsearch.judge.models.prompt import Tokens


class FullPromptReader:
    """Reads a causal model's prompts; features are those of CausalReader."""

    def __init__(self, model: PreTrainedModel, *, padding: int) -> None:
        self._model = model
        self._padding = padding

    @property
    def width(self) -> int:
        """The length of a feature vector."""
        return 2 * int(self._model.config.hidden_size)

    def features(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the features of pairs, shape [n, width], float32."""
        states, mask = self._states(tokens)
        places = torch.arange(states.shape[1], device=states.device)
        starts = torch.tensor([len(row.prefix) for row in tokens], device=states.device)
        return mean_and_edge(states, mask & (places >= starts[:, None]), _last(states, mask))

    def last_states(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the state after the last token of each pair, shape [n, hidden size]."""
        return _last(*self._states(tokens))

    def last_logits(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the whole vocabulary's logits after the last token, of logits made for every position."""
        ids, mask = self._padded(tokens)
        return _last(self._model(input_ids=ids, attention_mask=mask.long()).logits, mask)

    def _states(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        ids, mask = self._padded(tokens)
        return self._model.get_decoder()(input_ids=ids, attention_mask=mask.long()).last_hidden_state, mask

    def _padded(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        rows = [torch.tensor(row.prefix + row.rest) for row in tokens]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._padding)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        return ids.to(self._model.device), mask.to(self._model.device)


def in_order(read: Callable[[Sequence[Tokens]], Tensor], tokens: Sequence[Tokens], *, batch_size: int) -> Tensor:
    """Return what `read` gives for every pair, batches made in the order given."""
    with torch.inference_mode():
        starts = range(0, len(tokens), batch_size)
        return torch.cat([read(tokens[start : start + batch_size]).float().cpu() for start in starts])


def _last(values: Tensor, mask: Tensor) -> Tensor:
    return values[torch.arange(len(values), device=values.device), mask.sum(dim=1) - 1]
