"""The cross-encoder at its start: the base's weights under a head that adds nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relsearch.core.errors import ConfigError, ModelError
from relsearch.encoders.loading import HEAD, Source
from relsearch.rerank.cross.torch_scorer import ready

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder
    from torch import nn


def load_start(base: str, *, max_length: int, seed: int) -> CrossEncoder:
    """Return a one-label cross-encoder on `base` whose last layer is zero, so that it starts as its prior.

    `base` is any encoder that transformers can put a sequence-classification head on; raises ModelError
    where it cannot, ConfigError where the base is too short for `max_length`.
    """
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.sentence_transformer.modules import Transformer

    source = Source.find(base, "set [train] base to an encoder such as BERT", called="base {!r}")
    source.check("AutoModelForSequenceClassification", may_lack=HEAD, num_labels=1)
    torch.manual_seed(seed)  # the head of a base without pooler weights is drawn here
    transformer = source.build(
        lambda: Transformer(
            str(source.folder),
            transformer_task="sequence-classification",
            # Pickled weights are never read; a head of another size, as a classifier has, is drawn anew.
            model_kwargs={"use_safetensors": True, "ignore_mismatched_sizes": True, "dtype": torch.float32},
            config_kwargs={"num_labels": 1},
            processor_kwargs={"model_max_length": max_length},
        )
    )
    model: CrossEncoder = CrossEncoder(modules=[transformer], num_labels=1)
    if max_length > (most := source.positions(transformer.auto_model)):
        raise ConfigError(f"[train] max_length {max_length}: {base} reads at most {most} tokens; lower it")
    ready(model, source, own=True)
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
