"""The encoder family: a BERT-like model reads query and document together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from relsearch.core.errors import ModelError
from relsearch.core.types import Pair
from relsearch.encoders.joining import PLAIN, PairTemplate, read_template
from relsearch.encoders.pooling import mean
from relsearch.encoders.prompt_tokens import bounded
from relsearch.judge.models.pooling import mean_and_edge, normed
from relsearch.judge.models.prompt import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class EncoderReader:
    """Reads pairs with an encoder. Features: mean state, first state, and the query's mean times the document's.

    The product is what a cosine sums up, so that a base trained as a sentence encoder starts with features of matching.
    """

    def __init__(self, model: PreTrainedModel, *, padding: int, typed: bool) -> None:
        self._model = model
        self._padding = padding
        self._typed = typed

    @property
    def width(self) -> int:
        """The length of a feature vector."""
        return 3 * int(self._model.config.hidden_size)

    def features(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the features of pairs, shape [n, width], float32."""
        mask, second = self._masks(tokens)
        with torch.autocast(mask.device.type, torch.bfloat16, enabled=self._model.dtype is torch.bfloat16):
            states = self._states(tokens, mask, second)
        query, document = (nn.functional.normalize(mean(states, part)) for part in (mask & ~second, second))
        return torch.cat([mean_and_edge(states, mask, states[:, 0]), normed(query * document)], dim=1)

    def _states(self, tokens: Sequence[Tokens], mask: Tensor, second: Tensor) -> Tensor:
        return self._embed_and_run(self._model, tokens, mask, second)

    def _embed_and_run(self, model: nn.Module, tokens: Sequence[Tokens], mask: Tensor, second: Tensor) -> Tensor:
        rows = [torch.tensor(row.prefix + row.rest) for row in tokens]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._padding).to(mask.device)
        types = {"token_type_ids": second.long()} if self._typed else {}
        states: Tensor = model(input_ids=ids, attention_mask=mask.long(), **types).last_hidden_state
        return states

    def _masks(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Where a pair has tokens, and where these are the document's, shapes [n, longest]."""
        device = self._model.device
        lengths = torch.tensor([len(row.prefix) + len(row.rest) for row in tokens], device=device)
        # The separator after the query belongs to the query.
        starts = torch.tensor([len(row.prefix) + 1 for row in tokens], device=device)
        places = torch.arange(int(lengths.max()), device=device)
        mask = places < lengths[:, None]
        return mask, (places >= starts[:, None]) & mask


def pair_features(states: Tensor, mask: Tensor, second: Tensor) -> Tensor:
    """Return the features of pairs from their last states [n, tokens, size], shape [n, 3 * size], float32.

    The masks [n, tokens] are true at all tokens of a pair, and at those of its document.
    """
    query, document = (nn.functional.normalize(mean(states, part)) for part in (mask & ~second, second))
    return torch.cat([mean_and_edge(states, mask, states[:, 0]), normed(query * document)], dim=1)


class PairEncoder:
    """Turns pairs into tokens: everything before the separator after the query is the prefix.

    Without `special_tokens` halves are joined as they are: so read judges that were tuned where a tokenizer added none.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_query_tokens: int,
        max_document_tokens: int,
        query_prefix: str,
        document_prefix: str,
        special_tokens: bool = True,
    ) -> None:
        self._tokenizer = tokenizer
        self._template = _template_of(tokenizer) if special_tokens else PLAIN
        self._max_query_tokens = max_query_tokens
        self._max_document_tokens = max_document_tokens
        self._query_prefix = query_prefix
        self._document_prefix = document_prefix

    def encode(self, pairs: Sequence[Pair]) -> list[Tokens]:
        """Return the tokens of each pair, in order."""
        texts = list(dict.fromkeys(pair.query for pair in pairs))
        read = bounded(self._tokenizer, [self._query_prefix + text for text in texts], self._max_query_tokens)
        queries = dict(zip(texts, read, strict=True))
        texts = [self._document_prefix + pair.text for pair in pairs]
        documents = bounded(self._tokenizer, texts, self._max_document_tokens)
        return [self._join(queries[pair.query], document) for pair, document in zip(pairs, documents, strict=True)]

    def _join(self, query: tuple[list[int], bool], document: tuple[list[int], bool]) -> Tokens:
        halves = (np.array(ids, dtype=np.int32) for ids in (query[0], document[0]))
        ids = self._template.join(*halves).ids.tolist()
        before = 1 + len(query[0])  # the first special token, then the query
        return Tokens(tuple(ids[:before]), tuple(ids[before:]), query[1] or document[1])


def _template_of(tokenizer: PreTrainedTokenizerBase) -> PairTemplate:
    """How a tokenizer joins two texts; ModelError where that is by no fixed template."""
    backend: Any = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    if (template := read_template(backend)) is None:
        raise ModelError("its tokenizer joins pairs by no fixed template; set [judge] base to another encoder")
    return template
