"""The cross-encoder at its start: the base's weights under a head that adds nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relsearch.errors import ConfigError, ModelError
from relsearch.weights import quiet, resolve

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder
    from torch import nn

HEAD = r"(^|\.)(pooler|classifier|score|head|pre_classifier)\."


def load_start(base: str, *, max_length: int, seed: int) -> CrossEncoder:
    """Return a one-label cross-encoder on `base` whose last layer is zero, so that it starts as its prior.

    `base` is any encoder that transformers can put a sequence-classification head on; raises ModelError
    where it cannot, ConfigError where the base is too short for `max_length`.
    """
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.sentence_transformer.modules import Transformer

    torch.manual_seed(seed)  # the head of a base without pooler weights is drawn here
    name = str(resolve(base))
    try:
        with quiet():
            transformer = Transformer(
                name,
                transformer_task="sequence-classification",
                model_kwargs={"use_safetensors": True},  # pickled weights are never read
                config_kwargs={"num_labels": 1},
                processor_kwargs={"model_max_length": max_length},
            )
    except (OSError, ValueError) as exc:
        raise ModelError(f"{base}: cannot be given a ranking head ({exc}); name an encoder such as BERT") from exc
    positions = getattr(transformer.auto_model.config, "max_position_embeddings", max_length)
    if max_length > positions:
        raise ConfigError(f"[train] max_length {max_length}: {base} reads at most {positions} tokens; lower it")
    model: CrossEncoder = CrossEncoder(modules=[transformer], num_labels=1)
    last = _last_layer(transformer.auto_model, base)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return model


def _last_layer(model: nn.Module, base: str) -> nn.Linear:
    from torch import nn

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == 1]
    if not layers or layers[-1].bias is None:
        raise ModelError(f"{base}: has no linear layer with one output to start at zero; name another encoder")
    return layers[-1]
