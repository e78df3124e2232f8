"""Torch models to ONNX graphs, through optimum's exporter."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from relsearch.config import EncoderConfig
from relsearch.errors import MissingExtraError, ModelError
from relsearch.weights import quiet, resolve

# Said by torch 2.9+ and transformers 4.57 on every export through the tracing exporter, the one optimum 2.1 uses;
# parity with torch, which each export is held to, covers what they warn of.
_EXPECTED = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed",
    r"torch\.tensor results are registered as constants",
    "Converting a tensor to a Python",
    r"`torch_dtype` is deprecated",
)


def export_cross_encoder(model: Path, target: Path) -> None:
    """Write the graph of a sequence-classification folder: token ids to `logits` of shape [n, 1]."""
    _export(str(model), target, task="text-classification", library="transformers")


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What a sentence encoder's graph does not say about itself."""

    max_length: int
    pooling: str


def export_encoder(config: EncoderConfig, target: Path, *, tokenizer: Path) -> EncoderFacts:
    """Write a sentence encoder's graph, token ids to pooled `sentence_embedding` [n, d], and its tokenizer."""
    from sentence_transformers import SentenceTransformer

    name = str(resolve(config.model))
    model = SentenceTransformer(name)
    _export(name, target, task="feature-extraction", library="sentence_transformers")
    save_tokenizer(model.tokenizer.backend_tokenizer.to_str(), tokenizer)
    return EncoderFacts(max_length=int(model.max_seq_length or 512), pooling=str(model[1].pooling_mode))


def save_tokenizer(serialised: str, target: Path) -> None:
    """Write tokenizer.json without its own truncation and padding, which the bundle's engine sets."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(serialised)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(target))


def _export(model: str, target: Path, *, task: str, library: str) -> None:
    try:
        from optimum.exporters.onnx import main_export
    except ImportError as exc:
        raise MissingExtraError("ONNX export", "export") from exc
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, _without_expected_warnings():
        try:
            main_export(model, folder, task=task, library_name=library, do_validation=False, framework="pt")
        except (ValueError, KeyError, NotImplementedError) as exc:
            raise ModelError(f"{model}: cannot be exported to ONNX ({exc}); use another base") from exc
        shutil.move(Path(folder) / "model.onnx", target)


@contextmanager
def _without_expected_warnings() -> Iterator[None]:
    with quiet(), warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        yield
