"""The encoder family: a BERT-like model reads query and document together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from relsearch.judge.pooling import pooled
from relsearch.judge.prompt import Tokens, bounded
from relsearch.types import Pair

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class EncoderReader:
    """Reads pairs with an encoder. Features: mean state over the pair, and the first state."""

    def __init__(self, model: PreTrainedModel, *, padding: int, typed: bool) -> None:
        self._model = model
        self._padding = padding
        self._typed = typed

    @property
    def width(self) -> int:
        """The length of a feature vector."""
        return 2 * int(self._model.config.hidden_size)

    def features(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the features of pairs, shape [n, width], float32."""
        device = self._model.device
        rows = [torch.tensor(row.prefix + row.rest) for row in tokens]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._padding).to(device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        places = torch.arange(ids.shape[1], device=device)
        mask = (places < lengths[:, None]).long()
        # The separator after the query belongs to the query.
        second = torch.tensor([len(row.prefix) + 1 for row in tokens], device=device)
        types = {"token_type_ids": ((places >= second[:, None]) & mask.bool()).long()} if self._typed else {}
        with torch.autocast(device.type, torch.bfloat16, enabled=self._model.dtype is torch.bfloat16):
            states = self._model(input_ids=ids, attention_mask=mask, **types).last_hidden_state
        return pooled(states, mask, states[:, 0])


class PairEncoder:
    """Turns pairs into tokens: everything before the separator after the query is the prefix."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, max_query_tokens: int, max_document_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_query_tokens = max_query_tokens
        self._max_document_tokens = max_document_tokens

    def encode(self, pairs: Sequence[Pair]) -> list[Tokens]:
        """Return the tokens of each pair, in order."""
        texts = list(dict.fromkeys(pair.query for pair in pairs))
        queries = dict(zip(texts, bounded(self._tokenizer, texts, self._max_query_tokens), strict=True))
        documents = bounded(self._tokenizer, [pair.text for pair in pairs], self._max_document_tokens)
        return [self._join(queries[pair.query], document) for pair, document in zip(pairs, documents, strict=True)]

    def _join(self, query: tuple[list[int], bool], document: tuple[list[int], bool]) -> Tokens:
        ids = self._tokenizer.build_inputs_with_special_tokens(query[0], document[0])
        before = 1 + len(query[0])  # the first special token, then the query
        return Tokens(tuple(ids[:before]), tuple(ids[before:]), query[1] or document[1])
