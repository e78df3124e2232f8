"""What graphs compute, as torch modules: token ids, attention mask and token types to one tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from relsearch.rerank.cross.torch_scorer import TYPES

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer


class Chain(nn.Module):
    """The modules of a sentence-transformers model, one after the other; returns one of their features."""

    def __init__(self, model: CrossEncoder | SentenceTransformer, feature: str) -> None:
        super().__init__()
        self.parts = nn.ModuleList(model)
        self._feature = feature

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return the feature, `scores` of shape [rows, 1] or `sentence_embedding` of shape [rows, dimension]."""
        features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            features[TYPES] = token_type_ids
        for part in self.parts:
            features = part(features)
        found: Tensor = features[self._feature]
        return found


class LastTokenScore(nn.Module):
    """A decoder's score after the last token of each row, wherever the row is padded."""

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return scores of shape [rows, 1]; rows are padded on the right."""
        states: Tensor = self.body(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False
        ).last_hidden_state
        last = attention_mask.sum(dim=1, keepdim=True) - 1
        state = states.gather(1, last[:, :, None].expand(-1, -1, states.shape[-1]))
        return self.head(state.squeeze(1))  # type: ignore[no-any-return]  # a call of a module


def scores_of(model: CrossEncoder) -> nn.Module:
    """Return what computes a cross-encoder's scores, fit for export: a decoder's without the vocabulary's logits."""
    network: Any = model[0].auto_model
    head = _decoder_head(model)
    if head is None:
        return Chain(model, "scores")
    body = network.get_decoder() if hasattr(network, "lm_head") else network.base_model
    return LastTokenScore(body, head)


def _decoder_head(model: CrossEncoder) -> nn.Linear | None:
    """The linear layer from a decoder's last state to the score; None for what is no decoder."""
    from transformers.modeling_layers import GenericForSequenceClassification

    network: Any = model[0].auto_model
    last = model[-1]
    if len(model) == 1 and isinstance(network, GenericForSequenceClassification):
        score: nn.Linear = network.score
        return score
    if len(model) == 2 and hasattr(last, "true_token_id"):
        table: Any = network.get_output_embeddings()
        rows = [last.true_token_id] + ([] if last.false_token_id is None else [last.false_token_id])
        head = nn.Linear(table.in_features, 1, bias=table.bias is not None)
        with torch.no_grad():
            head.weight.copy_(_difference(table.weight[rows]))
            if table.bias is not None:
                head.bias.copy_(_difference(table.bias[rows, None]).flatten())
        return head
    return None


def _difference(rows: Tensor) -> Tensor:
    """The first row, less the second where there is one, shape [1, n]."""
    return rows[:1] - rows[1:] if len(rows) > 1 else rows
