"""Torch models to ONNX graphs, through optimum's exporter, each held against torch before it is kept."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import GateError, MissingExtraError, ModelError, reason
from relsearch.core.settings.config import EncoderConfig
from relsearch.encoders.encoder import open_embedder
from relsearch.encoders.loading import Source
from relsearch.encoders.model_source import quiet
from relsearch.exporters.bundle.first_token import keep_first_token
from relsearch.rerank.cross.torch_scorer import TYPES, load_model
from relsearch.rerank.runtime.sessions import open_session

Inputs = dict[str, NDArray[np.int64]]
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
    "Exporting aten::index operator",  # of models that look for the last token
)
# Two batches of other sizes than the exporter traces, padded: a size that was traced as a constant shows.
_SHAPES = ((1, 9), (4, 30))


@dataclass(frozen=True, slots=True)
class CrossEncoderFacts:
    """What a cross-encoder's graph does not say about itself."""

    last_layer: LastLayer
    max_length: int


def export_cross_encoder(model: Path | str, target: Path, *, tokenizer: Path) -> CrossEncoderFacts:
    """Write the graph of a sequence-classification model, token ids to `logits` of shape [n, 1], and its tokenizer.

    Return how much it reads, and which tokens its last layer computes: the first alone where the head reads no other
    and the kind of the model is known (BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, DeBERTa-v2, ModernBERT), else
    all. Raise ModelError where the model has no single score or no exporter, GateError where the graph is not the
    model.
    """
    source = Source.find(str(model), "name another cross-encoder")
    loaded, reader = _load(model)
    source.check_fast(reader)
    longest = min(reader.model_max_length, source.positions(loaded))
    inputs = [_inputs(loaded, rows, min(tokens, longest)) for rows, tokens in _SHAPES]
    wanted = [_torch_logits(loaded, each, typed=_gives_types(reader)) for each in inputs]
    if not np.isfinite(np.concatenate(wanted)).all():
        raise ModelError(f"{model}: gives logits that are NaN or infinite; name another cross-encoder")
    last_layer = _export_checked(str(model), loaded, target, inputs, wanted)
    save_tokenizer(reader.backend_tokenizer.to_str(), tokenizer)
    return CrossEncoderFacts(last_layer, longest)


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What a sentence encoder's graph does not say about itself."""

    max_length: int
    pooling: str


def export_encoder(config: EncoderConfig, target: Path, *, tokenizer: Path) -> EncoderFacts:
    """Write a sentence encoder's graph, token ids to pooled `sentence_embedding` [n, d], and its tokenizer."""
    model, folder = open_embedder(config)
    Source(folder, f"encoder {config.model!r}", "set [encoder] model to another").check_fast(model.tokenizer)
    _write(lambda part: _export_named(str(folder), part), config.model, target)
    save_tokenizer(model.tokenizer.backend_tokenizer.to_str(), tokenizer)
    pooling = getattr(model[1], "pooling_mode", "") if len(model) > 1 else ""
    return EncoderFacts(max_length=int(model.max_seq_length or 512), pooling=str(pooling))


def save_tokenizer(serialised: str, target: Path) -> None:
    """Write tokenizer.json without its own truncation and padding, which the bundle's engine sets."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(serialised)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(target))


def _export_checked(
    name: str, loaded: Any, target: Path, inputs: Sequence[Inputs], wanted: Sequence[NDArray[np.float32]]
) -> LastLayer:
    """Write the graph with as little in its last layer as gives the model's logits."""
    if keep_first_token(loaded):
        _write(lambda folder: _export_loaded(loaded, folder), name, target)
        if _difference(target, inputs, wanted) <= TOLERANCE:
            return "first token"
        loaded, _ = _load(name)
    _write(lambda folder: _export_loaded(loaded, folder), name, target)
    if not (off := _difference(target, inputs, wanted)) <= TOLERANCE:
        raise GateError(
            f"{name}: its graph differs from torch by {off:.2g} (allowed {TOLERANCE:.0e}); use another base"
        )
    return "all tokens"


def _load(model: Path | str) -> tuple[Any, Any]:
    """The model and its tokenizer; it reads one token type where the tokenizer gives one, whatever is fed."""
    # Attention written out, so that a query of one token meets the mask of all.
    found = load_model(model, attention="eager")
    if len(found) > 1:
        raise ModelError(
            f"{model}: modules of its own make its score, which no exporter reads; name another cross-encoder"
        )
    loaded: Any = found[0].auto_model.cpu()
    if not _gives_types(found.tokenizer):
        for name, part in loaded.named_modules():
            if name.endswith("token_type_embeddings"):
                part.register_forward_pre_hook(lambda _, inputs: tuple(types * 0 for types in inputs))
    return loaded, found.tokenizer


def _gives_types(tokenizer: Any) -> bool:
    """Whether a pair's halves differ by their token type; a bundle's own tokenizer may give types all the same."""
    return any(tokenizer("what is it", "it is that").get(TYPES, ()))


def _export_loaded(model: Any, folder: str) -> None:
    from optimum.exporters.onnx import onnx_export_from_model

    onnx_export_from_model(model, folder, task="text-classification", do_validation=False)


def _export_named(name: str, folder: str) -> None:
    from optimum.exporters.onnx import main_export

    library = "sentence_transformers"
    main_export(name, folder, task="feature-extraction", library_name=library, do_validation=False, framework="pt")


def _write(export: Callable[[str], None], name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, exporting(name):
        export(folder)
        shutil.move(Path(folder) / "model.onnx", target)


def _inputs(model: Any, rows: int, tokens: int) -> Inputs:
    """Random token ids and types, each row padded by two tokens more than the one before it."""
    mask = (np.arange(tokens)[None] < tokens - 2 * np.arange(rows)[:, None]).astype(np.int64)
    draw, known = np.random.default_rng(rows), model.get_input_embeddings().num_embeddings
    ids = draw.integers(min(5, known - 1), known, size=(rows, tokens)) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": draw.integers(0, 2, size=ids.shape) * mask}


def _torch_logits(model: Any, inputs: Inputs, *, typed: bool) -> NDArray[np.float32]:
    import torch

    # As its own tokenizer pads: a model that looks for its padding is then found to read ours otherwise.
    padded = np.where(inputs["attention_mask"] > 0, inputs["input_ids"], model.config.pad_token_id or 0)
    fed = {"input_ids": padded, "attention_mask": inputs["attention_mask"]}
    fed |= {TYPES: inputs[TYPES]} if typed else {}
    with torch.inference_mode():
        logits: NDArray[np.float32] = model(**{name: torch.from_numpy(row) for name, row in fed.items()}).logits.numpy()
    return logits


def _difference(graph: Path, inputs: Sequence[Inputs], wanted: Sequence[NDArray[np.float32]]) -> float:
    """The largest difference of a logit between graph and torch."""
    session = open_session(graph, ("logits",), variant="fp32", runtime="onnxruntime", workers=1)
    found = [session.run({name: each[name] for name in session.inputs})[0] for each in inputs]
    return float(np.abs(np.concatenate(found) - np.concatenate(wanted)).max())


def _ignore_traced_constants() -> None:
    """Of every kind: graphs are compared with torch at other sizes than the traced one."""
    from torch.jit import TracerWarning  # type: ignore[attr-defined]  # torch's list of public names lacks it

    warnings.filterwarnings("ignore", category=TracerWarning)


@contextmanager
def exporting(name: str) -> Iterator[None]:
    """Keep back what the exporter says on every export, and turn whatever it raises into a ModelError."""
    try:
        with quiet(), warnings.catch_warnings(), redirect_stdout(None):  # a graph that fails is printed whole
            for message in _EXPECTED:
                warnings.filterwarnings("ignore", message=message)
            _ignore_traced_constants()
            yield
    except ImportError as exc:
        raise MissingExtraError("ONNX export", "export") from exc
    except Exception as exc:  # of as many kinds as there are kinds of models
        raise ModelError(f"{name}: cannot be exported to ONNX ({reason(exc)}); use another base") from exc
