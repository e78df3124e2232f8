"""One vector of a text's states, as the encoder's folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torch.nn import functional

from relsearch.core.errors import ConfigError
from relsearch.encoders.loading import Source

Pooling = Literal["mean", "cls"]
_MODULES = ("Transformer", "Pooling", "Normalize")  # what late interaction computes of those of sentence-transformers


def pooling_of(source: Source) -> Pooling:
    """Return whether vectors are the mean of the states or the first token's state; the mean where nothing is said.

    Read from 1_Pooling/config.json, in the forms of all versions of sentence-transformers. Raise ConfigError where
    they are something else, or modules.json names more than pooling; ModelError where a file cannot be read.
    """
    with source.loading():
        modules = [str(each["type"]).rpartition(".")[2] for each in _read(source.folder / "modules.json", [])]
        said = _read(source.folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
        older = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
        modes = said.get("pooling_mode") or [mode for mode, key in older.items() if said.get(key)]
    if other := next((name for name in modules if name not in _MODULES), None):
        raise ConfigError(f"{source.name}: its vectors are those of a module {other}; name another encoder")
    for known in ("mean", "cls"):
        if modes in (known, [known]):
            return known
    raise ConfigError(
        f"{source.name}: its vectors are neither the mean of its states nor the first one; name another encoder"
    )


def _read(path: Path, default: object) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default


def pool(states: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector of length 1 of each text's states [n, length, h]."""
    if pooling == "cls":
        return functional.normalize(states[:, 0], dim=-1)
    return functional.normalize(mean(states, attention_mask), dim=-1)


def mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean state over the tokens that count, shape [n, h], float32."""
    kept = mask.unsqueeze(2).float()
    return (states.float() * kept).sum(dim=1) / kept.sum(dim=1).clamp_min(1)
