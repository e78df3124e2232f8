"""Torch models to ONNX graphs, through optimum's exporter, each held against torch before it is kept."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relsearch.config import EncoderConfig
from relsearch.errors import GateError, MissingExtraError, ModelError
from relsearch.exporters.first_token import keep_first_token
from relsearch.weights import quiet, resolve

LastLayer = Literal["first token", "all tokens"]
TOLERANCE = 1e-4  # of a logit; rounding alone gives 1e-6 to 1e-5

# Said by torch 2.9+ and transformers 4.57 on every export through the tracing exporter, the one optimum 2.1 uses;
# parity with torch, which each export is held to, covers what they warn of.
_EXPECTED = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed",
    "Constant folding",
    r"`torch_dtype` is deprecated",
    r"`torch\.jit\.\w+` is deprecated",  # DeBERTa scripts parts of itself
)
# Two batches of other sizes than the exporter traces, padded: a size that was traced as a constant shows.
_SHAPES = ((1, 9), (4, 30))


def export_cross_encoder(model: Path | str, target: Path) -> LastLayer:
    """Write the graph of a sequence-classification model, token ids to `logits` of shape [n, 1].

    Return which tokens its last layer computes: the first alone where the head reads no other and the kind of the
    model is known (BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, DeBERTa-v2, ModernBERT), else all. Raise
    ModelError where the model has no single score or no exporter, GateError where the graph is not the model.
    """
    loaded = _load(model)
    inputs = [_inputs(loaded.config, *shape) for shape in _SHAPES]
    wanted = [_torch_logits(loaded, each) for each in inputs]
    if keep_first_token(loaded):
        _write(lambda folder: _export_loaded(loaded, folder), str(model), target)
        if _difference(target, inputs, wanted) <= TOLERANCE:
            return "first token"
        loaded = _load(model)
    _write(lambda folder: _export_loaded(loaded, folder), str(model), target)
    if (off := _difference(target, inputs, wanted)) > TOLERANCE:
        raise GateError(
            f"{model}: its graph differs from torch by {off:.2g} (allowed {TOLERANCE:.0e}); use another base"
        )
    return "all tokens"


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
    _write(lambda folder: _export_named(name, folder), name, target)
    save_tokenizer(model.tokenizer.backend_tokenizer.to_str(), tokenizer)
    return EncoderFacts(max_length=int(model.max_seq_length or 512), pooling=str(model[1].pooling_mode))


def save_tokenizer(serialised: str, target: Path) -> None:
    """Write tokenizer.json without its own truncation and padding, which the bundle's engine sets."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(serialised)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(target))


def _load(model: Path | str) -> Any:
    try:
        from transformers import AutoModelForSequenceClassification
    except ImportError as exc:
        raise MissingExtraError("ONNX export", "export") from exc
    try:
        with without_expected_warnings():
            # Attention written out, so that a query of one token meets the mask of all.
            loaded = AutoModelForSequenceClassification.from_pretrained(
                str(model), attn_implementation="eager", use_safetensors=True
            )
    except (OSError, ValueError, KeyError) as exc:
        reason = str(exc).splitlines()[0]
        raise ModelError(f"{model}: cannot be exported to ONNX ({reason}); use another base") from exc
    if loaded.config.num_labels != 1:
        raise ModelError(f"{model}: gives {loaded.config.num_labels} labels, a reranker gives one score; use another")
    return loaded.eval().float()


def _export_loaded(model: Any, folder: str) -> None:
    from optimum.exporters.onnx import onnx_export_from_model

    onnx_export_from_model(model, folder, task="text-classification", do_validation=False)


def _export_named(name: str, folder: str) -> None:
    from optimum.exporters.onnx import main_export

    library = "sentence_transformers"
    main_export(name, folder, task="feature-extraction", library_name=library, do_validation=False, framework="pt")


def _write(export: Callable[[str], None], name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, without_expected_warnings():
        try:
            export(folder)
        except ImportError as exc:
            raise MissingExtraError("ONNX export", "export") from exc
        except (ValueError, KeyError, NotImplementedError) as exc:
            raise ModelError(f"{name}: cannot be exported to ONNX ({exc}); use another base") from exc
        shutil.move(Path(folder) / "model.onnx", target)


def _inputs(config: Any, rows: int, tokens: int) -> dict[str, NDArray[np.int64]]:
    """Random token ids, each row padded by two tokens more than the one before it."""
    mask = (np.arange(tokens)[None] < tokens - 2 * np.arange(rows)[:, None]).astype(np.int64)
    ids = np.random.default_rng(rows).integers(5, config.vocab_size, size=(rows, tokens)) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}


def _torch_logits(model: Any, inputs: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        feeds = {name: torch.from_numpy(inputs[name]) for name in ("input_ids", "attention_mask")}
        logits: NDArray[np.float32] = model(**feeds).logits.numpy()
    return logits


def _difference(graph: Path, inputs: list[dict[str, NDArray[np.int64]]], wanted: list[NDArray[np.float32]]) -> float:
    """The largest difference of a logit between graph and torch."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]
    found = [session.run(["logits"], {name: each[name] for name in names})[0] for each in inputs]
    return max(float(np.abs(first - second).max()) for first, second in zip(found, wanted, strict=True))


def _ignore_traced_constants() -> None:
    """Of every kind: graphs are compared with torch at other sizes than the traced one."""
    from torch.jit import TracerWarning  # type: ignore[attr-defined]  # torch's list of public names lacks it

    warnings.filterwarnings("ignore", category=TracerWarning)


@contextmanager
def without_expected_warnings() -> Iterator[None]:
    """Keep back what the exporter says on every export."""
    with quiet(), warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        _ignore_traced_constants()
        yield
