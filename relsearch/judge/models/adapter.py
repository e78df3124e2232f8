"""What tuning changes of a base: LoRA adapters on its top layers, or these layers' own weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from relsearch.core.errors import ConfigError, MissingExtraError
from relsearch.core.settings.config import TuneConfig
from relsearch.encoders.model_source import loading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS = "adapter_model.safetensors"
_PEFT = "adapter_config.json"
_AGAIN = "run `relsearch tune` on this base again"
_LISTS = {"layer", "layers", "block", "blocks", "h"}  # how architectures call the list of their layers


def adapted(base: PreTrainedModel, task: str, config: TuneConfig, *, seed: int, start: Path | None = None) -> nn.Module:
    """Return the base with only its top layers open to learning: adapters of `rank`, or, at rank 0, themselves.

    With `start`, the adapters of that folder go on learning; raise ConfigError where it holds none.
    """
    if start is not None:
        return _opened(base, start)
    depth = int(base.config.num_hidden_layers)
    top = list(range(max(0, depth - config.layers), depth))
    if not config.rank:
        for name, parameter in base.named_parameters():
            parameter.requires_grad = _layer_of(name) in top
        return base
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as exc:
        raise MissingExtraError("tuning a judge", "train") from exc
    torch.manual_seed(seed)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=2 * config.rank,
        target_modules=_linear_names(base),
        layers_to_transform=top,
        task_type=task,
    )
    with _peft():
        model: nn.Module = get_peft_model(base, lora)
    return model


def _opened(base: PreTrainedModel, start: Path) -> nn.Module:
    if not (start / _PEFT).is_file():
        raise ConfigError(f"[tune] start: {start} holds no LoRA adapter to go on from; leave start empty")
    from peft import PeftModel

    with loading(str(start), "name a judge that was tuned on this base"), _peft():
        model: nn.Module = PeftModel.from_pretrained(base, start, is_trainable=True)
    return model


def save(model: nn.Module, folder: Path, *, base: str) -> None:
    """Write what was tuned of `base`, in half precision: 5e-4 of a weight's value, half the space."""
    if hasattr(model, "peft_config"):
        for config in model.peft_config.values():  # type: ignore[operator]  # peft's
            config.base_model_name_or_path = base  # as it is configured, not where it lies on this machine
        # "auto" would look for the base on a model hub to see whether its vocabulary grew.
        model.save_pretrained(str(folder), save_embedding_layers=False)  # type: ignore[operator]  # peft's
        weights = load_file(folder / WEIGHTS)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu() for name, value in model.named_parameters() if value.requires_grad}
    save_file({name: value.half().contiguous() for name, value in weights.items()}, folder / WEIGHTS)


def merge(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Return the base in float32 with what a folder holds put into its weights; ModelError where it is another's."""
    if not (folder / _PEFT).is_file():
        with loading(str(folder / WEIGHTS), _AGAIN):
            tuned = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
            base.load_state_dict(tuned, strict=False)
        return base
    try:
        from peft import PeftModel
    except ImportError as exc:
        raise MissingExtraError("a tuned judge", "train") from exc
    with loading(str(folder), _AGAIN), _peft():
        merged: PreTrainedModel = PeftModel.from_pretrained(base, folder).merge_and_unload()
    return merged


@contextmanager
def _peft() -> Iterator[None]:
    """Keep back what transformers 5.24 says of peft 0.21, which asks it for a name that 6 will no longer have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield


def _layer_of(name: str) -> int | None:
    """The number of the layer that a parameter belongs to, None where it stands outside them.

    The outermost list counts: T5 numbers the parts of a block as well, `encoder.block.11.layer.1`.
    """
    parts = name.split(".")
    return next((int(part) for before, part in pairwise(parts) if before in _LISTS and part.isdigit()), None)


def _linear_names(model: PreTrainedModel) -> list[str]:
    """The names of the layers' linear parts; peft's "all-linear" cannot be combined with a choice of layers."""
    linear = [
        name for name, part in model.named_modules() if isinstance(part, nn.Linear) and _layer_of(name) is not None
    ]
    return sorted({name.rpartition(".")[2] for name in linear})
