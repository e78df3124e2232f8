"""The causal language model under the judge: loading it, and reading label logits with one shared prefix."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from relsearch.errors import MissingExtraError, ModelError
from relsearch.weights import quiet, resolve

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded causal model with its tokenizer; `checksum` names the weights."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    checksum: str


def load_base(name: str, *, dtype: torch.dtype) -> Base:
    """Load a causal model onto the GPU if there is one, else the CPU; raise ModelError if it is none."""
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as exc:
        raise MissingExtraError("the judge", "train") from exc
    source = resolve(name)
    options: dict[str, Any] = {"trust_remote_code": False}
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as exc:
        reason = str(exc).splitlines()[0]
        raise ModelError(f"judge base {name!r} cannot be loaded ({reason}); set [judge] base") from exc
    checksum = _checksum(source) if isinstance(source, Path) else f"{source}@{model.config._commit_hash}"
    return Base(model.eval(), tokenizer, checksum)


def label_logits(
    model: PreTrainedModel, prefix: Sequence[int], rests: Sequence[Sequence[int]], labels: Sequence[int]
) -> Tensor:
    """Return the logits of the label tokens after prefix + rest, shape [rests, labels], float32.

    The prefix is computed once and its keys and values are shared by all rests, in tuning as in judging. Rests are
    padded on the left, behind the prefix, so that the grade position is the last one of every row. Only the label
    rows of the output matrix are used: the whole of it, on a slice of the hidden states, took a third of the time.
    """
    output = model.get_output_embeddings().weight
    device = output.device
    longest = max(len(rest) for rest in rests)
    ids = torch.tensor([[0] * (longest - len(rest)) + list(rest) for rest in rests], device=device)
    mask = torch.tensor([[0] * (longest - len(rest)) + [1] * len(rest) for rest in rests], device=device)
    decoder = model.get_decoder()
    with torch.autocast(device.type, torch.bfloat16, enabled=output.dtype is torch.bfloat16):
        cache = decoder(input_ids=torch.tensor([list(prefix)], device=device), use_cache=True).past_key_values
        cache.batch_repeat_interleave(len(rests))
        hidden = decoder(
            input_ids=ids,
            attention_mask=torch.cat([mask.new_ones(len(rests), len(prefix)), mask], dim=1),
            position_ids=len(prefix) + (mask.cumsum(dim=1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
    logits: Tensor = hidden[:, -1].float() @ output[list(labels)].float().T
    return logits


def _checksum(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json", *folder.glob("tokenizer.json")]):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
