"""The model under a judge: loading it by family, and what it takes to tune and to read with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from relsearch.config import JudgeConfig
from relsearch.errors import MissingExtraError, ModelError
from relsearch.judge.bidirectional import EncoderReader, PairEncoder
from relsearch.judge.causal import CausalReader
from relsearch.judge.prompt import Prompt, PromptEncoder, Tokens
from relsearch.judge.trunk import UpperCausalReader, UpperEncoderReader, encoder_layers
from relsearch.types import Pair, Scale
from relsearch.weights import checksum, quiet, resolve

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
    """A loaded model with its tokenizer; `checksum` names the weights, `task` is peft's name of the family."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    checksum: str
    task: str
    encode: Callable[[Sequence[Pair]], list[Tokens]]

    def reader(self) -> Reader:
        """Return a reader with the whole model."""
        if self.task == "CAUSAL_LM":
            return CausalReader(self.model)
        return EncoderReader(self.model, **self._encoder_options())

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

    def _encoder_options(self) -> dict[str, Any]:
        # DistilBERT takes no types at all, RoBERTa knows a single one.
        takes = "token_type_ids" in signature(self.model.forward).parameters
        typed = takes and getattr(self.model.config, "type_vocab_size", 1) > 1
        return {"padding": self.tokenizer.pad_token_id or 0, "typed": typed}


def load_base(config: JudgeConfig, prompt: Prompt, scale: Scale, *, dtype: torch.dtype) -> Base:
    """Load the judge's base onto the GPU if there is one, else the CPU; raise ModelError if it is none."""
    try:
        from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
    except ImportError as exc:
        raise MissingExtraError("the judge", "train") from exc
    causal = config.family == "llm"
    source = resolve(config.base)
    options: dict[str, Any] = {"trust_remote_code": False}
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            kind = AutoModelForCausalLM if causal else AutoModel
            model: Any = kind.from_pretrained(source, dtype=dtype, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as exc:
        reason = str(exc).splitlines()[0]
        raise ModelError(f"judge base {config.base!r} cannot be loaded ({reason}); set [judge] base") from exc
    weights = checksum(source) if isinstance(source, Path) else f"{source}@{model.config._commit_hash}"
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    if causal:
        encode = PromptEncoder(tokenizer, prompt, scale=scale, config=config).encode
        return Base(model, tokenizer, weights, "CAUSAL_LM", encode)
    pairs = PairEncoder(
        tokenizer,
        max_query_tokens=config.max_query_tokens,
        max_document_tokens=config.max_document_tokens,
        query_prefix=config.query_prefix,
        document_prefix=config.document_prefix,
    )
    return Base(model, tokenizer, weights, "FEATURE_EXTRACTION", pairs.encode)
