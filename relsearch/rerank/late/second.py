"""A second encoder beside the one that learns: it knows other texts, and its cosine counts beside the first's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from relsearch.core.errors import ConfigError
from relsearch.encoders.loading import UNUSED, Source
from relsearch.encoders.pooling import pooling_of

# Deviations of the second cosine for one of the first: of 0.3, 0.5, 0.75, 1 and 1.5 the one that gained most on the
# mean of trec-dl-2021 and scifact's training queries (MiniLM-L6 beside e5-small-v2, PRF at 0.5).
WEIGHT = 0.5
_PROBE = "What is it? Über-naïve 42 %, 检索"


class SecondEncoder(nn.Module):
    """A frozen encoder; `share` is the part of the joint cosine that is its own."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.share: Tensor
        self.register_buffer("share", torch.tensor(0.5))

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return its last states, shape [n, length, g]."""
        found: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return found

    def join(self, first: Tensor, own: Tensor) -> Tensor:
        """Return the first encoder's pooled vectors [n, h] and its own [n, g] as vectors [n, h + g] of length 1.

        The product of two of them is the mean of both cosines, by the share.
        """
        return torch.cat([first * (1 - self.share).sqrt(), own * self.share.sqrt()], dim=-1)

    def cosines(self, query: Tensor, documents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first encoder's cosines [n] and its own, of joint vectors [h + g] and [n, h + g]."""
        size = query.shape[-1] - self.encoder.config.hidden_size
        first, own = documents[:, :size] @ query[:size], documents[:, size:] @ query[size:]
        return first / (1 - self.share), own / self.share

    def set_share(self, cosines: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Let its cosine deviate WEIGHT times as much as the first one, over the cosines of some queries."""
        first, own = (float(torch.cat(part).std()) for part in zip(*cosines, strict=True))
        ratio = WEIGHT * first / own if own else 0.0
        self.share.fill_(ratio / (1 + ratio))

    def rejoin(self, pooled: Tensor, share: float) -> Tensor:
        """Return a joint vector [h + g] that was made with another share as it is with that of now."""
        size = pooled.shape[-1] - self.encoder.config.hidden_size
        first = ((1 - self.share) / (1 - share)).sqrt().expand(size)
        own = (self.share / share).sqrt().expand(pooled.shape[-1] - size)
        return pooled * torch.cat([first, own])


def load_second(name: str, *, tokenizer: Any, max_length: int) -> SecondEncoder:
    """Load the second encoder of a model that is read with `tokenizer`.

    Raise ModelError where it cannot be loaded, ConfigError where it reads other tokens, or fewer than `max_length`, or
    where its vectors are no mean of its states.
    """
    source = Source.find(name, "set [train] second_encoder to an encoder such as BERT", called="second encoder {!r}")
    if pooling_of(source) != "mean":
        raise ConfigError(
            f"{source.name}: its vectors are no mean of its states; name an encoder that pools by the mean"
        )
    encoder, own = source.model("AutoModel", may_lack=UNUSED).float(), source.tokenizer()
    source.check_vocabulary(own, encoder)
    if own.get_vocab() != tokenizer.get_vocab() or own(_PROBE)["input_ids"] != tokenizer(_PROBE)["input_ids"]:
        raise ConfigError(
            f"[train] second_encoder {name!r}: reads other tokens than the encoder; name one of the same vocabulary"
        )
    if max_length > (most := source.positions(encoder)):
        raise ConfigError(f"[train] max_length {max_length}: {name} reads at most {most} tokens; lower it")
    with source.loading(), torch.inference_mode():
        encoder(**tokenizer(_PROBE, return_tensors="pt"))
    return SecondEncoder(encoder)
