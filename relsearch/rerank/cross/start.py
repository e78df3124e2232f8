"""The cross-encoder at its start: a reranker as it is, else the base's weights under a head that adds nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relsearch.core.errors import ConfigError, ModelError
from relsearch.core.files.text_files import parse_json, read_text
from relsearch.encoders.loading import HEAD, Source
from relsearch.encoders.prefixes import SETTINGS
from relsearch.rerank.card import CARD, Card, read_card
from relsearch.rerank.cross.torch_scorer import load_model, ready

_ADVICE, _CALLED = "set [train] base to an encoder such as BERT", "base {!r}"
_MODULES = "modules.json"

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder
    from torch import nn


def is_reranker(base: str) -> bool:
    """Whether a base gives pairs one score already, by its files; raise ModelError where it is no model.

    One that relsearch trained on a cosine is none without that.
    """
    folder = Source.find(base, _ADVICE, called=_CALLED).folder
    if (folder / CARD).is_file() and read_card(folder, Card).prior is not None:
        return False
    if (folder / _MODULES).is_file() and (folder / SETTINGS).is_file():
        return bool(parse_json(read_text(folder / SETTINGS)).get("model_type") == "CrossEncoder")
    config = parse_json(read_text(folder / "config.json"))
    classifies = any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or ())
    return classifies and len(config.get("id2label") or {0: 0, 1: 1}) == 1


def load_reranker(base: str, *, max_length: int) -> CrossEncoder:
    """Return a published cross-encoder, which scores as CrossEncoder.predict does before its activation.

    Raise ModelError where it is none, ConfigError where it is too short for `max_length`.
    """
    model = load_model(base, max_length=max_length)
    _check_length(Source.find(base, _ADVICE, called=_CALLED), model, max_length)
    return model


def load_start(base: str, *, max_length: int, seed: int) -> CrossEncoder:
    """Return a one-label cross-encoder on `base` whose last layer is zero, so that it starts as its prior.

    `base` is any encoder that transformers can put a sequence-classification head on; raises ModelError
    where it cannot, ConfigError where the base is too short for `max_length`.
    """
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.sentence_transformer.modules import Transformer

    source = Source.find(base, _ADVICE, called=_CALLED)
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
    _check_length(source, model, max_length)
    ready(model, source, own=True)
    last = _last_layer(transformer.auto_model, base)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return model


def _check_length(source: Source, model: CrossEncoder, max_length: int) -> None:
    part: Any = model[0]
    if max_length > (most := source.positions(part.auto_model)):
        raise ConfigError(f"[train] max_length {max_length}: {source.name} reads at most {most} tokens; lower it")


def _last_layer(model: nn.Module, base: str) -> nn.Linear:
    from torch import nn

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == 1]
    if not layers or layers[-1].bias is None:
        raise ModelError(f"{base}: has no linear layer with one output to start at zero; name another encoder")
    return layers[-1]
