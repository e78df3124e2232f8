"""The model under a judge: loading it by family, and what it takes to tune and to read with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from relsearch.core.errors import ConfigError, MissingExtraError
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import Pair, Scale
from relsearch.encoders.loading import UNUSED, Source
from relsearch.encoders.model_source import checksum
from relsearch.judge.models.bidirectional import EncoderReader, PairEncoder
from relsearch.judge.models.causal import CausalReader
from relsearch.judge.models.frozen import FrozenReader, KeptFeatures, check_layers
from relsearch.judge.models.prompt import Prompt, PromptEncoder, Tokens
from relsearch.judge.models.trunk import UpperCausalReader, UpperEncoderReader, encoder_layers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Reader(Protocol):
    """Turns pairs that share one prefix into feature vectors."""

    @property
    def width(self) -> int:
        """The length of a feature vector."""
        ...

    def features(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return one row a pair, shape [n, width]."""
        ...


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded model with its tokenizer; `checksum` names the weights, `task` is peft's name of the family.

    `frozen`: the features are states of its inner layers, which no tuning changes.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    checksum: str
    task: str
    encode: Callable[[Sequence[Pair]], list[Tokens]]
    frozen: bool = False

    def reader(self) -> Reader:
        """Return a reader with the whole model, or of a frozen one with its lower three quarters."""
        if self.frozen:
            return FrozenReader(self.model)
        if self.task == "CAUSAL_LM":
            return CausalReader(self.model)
        return EncoderReader(self.model, **self._encoder_options())

    def kept_reader(self, tokens: Sequence[Tokens], *, batch_size: int, folder: Path) -> Reader:
        """Return a reader for these pairs of a frozen model, which has read them all, or goes on where it was cut."""
        return KeptFeatures(self.model, tokens, batch_size=batch_size, folder=folder, weights=self.checksum)

    def tuning_reader(self, tokens: Sequence[Tokens], *, tuned_layers: int, folder: Path) -> Reader:
        """Return a reader for these pairs that computes what tuning does not change only once."""
        depth = int(self.model.config.num_hidden_layers) - tuned_layers
        if depth <= 0:
            return self.reader()
        if self.task == "CAUSAL_LM":
            return UpperCausalReader(self.model, tokens, depth=depth, folder=folder, weights=self.checksum)
        if not encoder_layers(self.model):
            return self.reader()
        options = self._encoder_options()
        return UpperEncoderReader(self.model, tokens, depth=depth, folder=folder, weights=self.checksum, **options)

    @property
    def typed(self) -> bool:
        """Whether the model tells query and document apart by token types."""
        # DistilBERT takes no types at all, RoBERTa knows a single one.
        takes = "token_type_ids" in signature(self.model.forward).parameters
        return takes and getattr(self.model.config, "type_vocab_size", 1) > 1

    def _encoder_options(self) -> dict[str, Any]:
        return {"padding": self.tokenizer.pad_token_id or 0, "typed": self.typed}


def load_base(config: JudgeConfig, prompt: Prompt, scale: Scale, *, dtype: torch.dtype, frozen: bool = False) -> Base:
    """Load the judge's base onto the GPU if there is one, else the CPU; raise ModelError if it is none."""
    if find_spec("transformers") is None:
        raise MissingExtraError("the judge", "train")
    source = Source.find(config.base, "set [judge] base", called="judge base {!r}")
    causal = config.family == "llm"
    tokenizer = source.tokenizer(fast=not causal)  # an encoder's is asked how it joins pairs
    model = (
        source.model("AutoModelForCausalLM", dtype=dtype)
        if causal
        else source.model("AutoModel", dtype=dtype, may_lack=UNUSED)
    )
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    weights = checksum(source.folder)
    with source.loading():
        base = Base(model, tokenizer, weights, *_read_by(tokenizer, prompt, scale, config), frozen=frozen)
        sample = base.encode([Pair("", "", "what is it", "it is that")])
    advice = "set [judge] base to an LLM that is built as Llama is"
    with (replace(source, advice=advice) if frozen else source).loading(), torch.inference_mode():
        base.reader().features(sample)
        if frozen:
            check_layers(model, sample[0])
    _check_length(base, source, config)
    return base


def pair_encoder(tokenizer: PreTrainedTokenizerBase, config: JudgeConfig, *, special_tokens: bool) -> PairEncoder:
    """Return what turns pairs into the tokens of the encoder family."""
    return PairEncoder(
        tokenizer,
        max_query_tokens=config.max_query_tokens,
        max_document_tokens=config.max_document_tokens,
        query_prefix=config.query_prefix,
        document_prefix=config.document_prefix,
        special_tokens=special_tokens,
    )


def _read_by(
    tokenizer: PreTrainedTokenizerBase, prompt: Prompt, scale: Scale, config: JudgeConfig
) -> tuple[str, Callable[[Sequence[Pair]], list[Tokens]]]:
    """The task and the encoding of a family."""
    if config.family == "llm":
        return "CAUSAL_LM", PromptEncoder(tokenizer, prompt, scale=scale, config=config).encode
    return "FEATURE_EXTRACTION", pair_encoder(tokenizer, config, special_tokens=True).encode


def _check_length(base: Base, source: Source, config: JudgeConfig) -> None:
    (longest,) = base.encode([Pair("", "", "a " * config.max_query_tokens, "a " * config.max_document_tokens)])
    needed, most = len(longest.prefix) + len(longest.rest), source.positions(base.model)
    if needed > most:
        raise ConfigError(
            f"[judge] max_document_tokens {config.max_document_tokens}: with prompt and query {needed} tokens, "
            f"{config.base} reads at most {most}; lower it"
        )
