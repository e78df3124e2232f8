"""One vector of a text's states, as the encoder's folder says."""

from __future__ import annotations

import json
from typing import Literal

from torch import Tensor
from torch.nn import functional

from relsearch.core.errors import ConfigError
from relsearch.encoders.loading import Source

Pooling = Literal["mean", "cls"]


def pooling_of(source: Source) -> Pooling:
    """Return whether vectors are the mean of the states or the first token's state; the mean where nothing is said.

    Read from 1_Pooling/config.json, in the forms of all versions of sentence-transformers. Raise ConfigError where
    they are something else, ModelError where the file cannot be read.
    """
    path = source.folder / "1_Pooling" / "config.json"
    with source.loading():
        said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"pooling_mode": "mean"}
        older = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
        modes = said.get("pooling_mode") or [mode for mode, key in older.items() if said.get(key)]
    for known in ("mean", "cls"):
        if modes in (known, [known]):
            return known
    raise ConfigError(
        f"{source.name}: its vectors are neither the mean of its states nor the first one; name another encoder"
    )


def pool(states: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector of length 1 of each text's states [n, length, h]."""
    if pooling == "cls":
        return functional.normalize(states[:, 0], dim=-1)
    return functional.normalize(mean(states, attention_mask), dim=-1)


def mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean state over the tokens that count, shape [n, h], float32."""
    kept = mask.unsqueeze(2).float()
    return (states.float() * kept).sum(dim=1) / kept.sum(dim=1).clamp_min(1)
