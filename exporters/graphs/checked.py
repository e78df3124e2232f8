"""Torch models to ONNX graphs, each compared with torch before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import GateError, ModelError
from relsearch.core.settings.config import EncoderConfig
from relsearch.encoders.encoder import open_embedder
from relsearch.encoders.loading import Source, tells_types
from relsearch.exporters.graphs import optimum_export
from relsearch.exporters.graphs.first_token import keep_first_token
from relsearch.rerank.cross.torch_scorer import TYPES, load_model, pair_text_of
from relsearch.runtime.pair_text import PairText
from relsearch.runtime.sessions import INPUTS, open_session

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

Inputs = dict[str, NDArray[np.int64]]
LastLayer = Literal["first token", "all tokens"]
TOLERANCE = 1e-4  # of a logit; rounding alone gives 1e-6 to 1e-5

# Two batches of other sizes than the exporter traces, padded: a size that was traced as a constant shows.
_SHAPES = ((1, 9), (4, 30))
_TRACED = (2, 12)


@dataclass(frozen=True, slots=True)
class CrossEncoderFacts:
    """What a cross-encoder's graph does not say about itself."""

    last_layer: LastLayer
    max_length: int
    pair_text: PairText | None = None


def export_cross_encoder(model: Path | str, target: Path, *, tokenizer: Path, own: bool = False) -> CrossEncoderFacts:
    """Write the graph of a cross-encoder, token ids to `logits` of shape [n, 1], and its tokenizer.

    `own` says that relsearch trained it, and so how its tokenizer is read.

    Return how much it reads, and which tokens its last layer computes: the first alone where the head reads no other
    and the kind of the model is known (BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, DeBERTa-v2, ModernBERT), else
    all. Raise ModelError where the model has no single score or no exporter, GateError where the graph is not the
    model.
    """
    source = Source.find(str(model), "name another cross-encoder")
    # Attention written out, so that a query of one token meets the mask of all.
    load = partial(load_model, model, attention="eager", own=own)
    loaded = load()
    source.check_fast(loaded.tokenizer)
    network: Any = loaded[0].auto_model
    longest = min(loaded.tokenizer.model_max_length, source.positions(network))
    typed = _is_typed(loaded)
    inputs = [_inputs(network, rows, min(tokens, longest), typed=typed) for rows, tokens in _SHAPES]
    wanted = [_torch_logits(loaded, each) for each in inputs]
    if not np.isfinite(np.concatenate(wanted)).all():
        raise ModelError(f"{model}: gives logits that are NaN or infinite; name another cross-encoder")
    last_layer = _export_checked(str(model), load, target, inputs, wanted, longest=longest)
    save_tokenizer(loaded.tokenizer.backend_tokenizer.to_str(), tokenizer)
    with source.loading():
        text = pair_text_of(loaded)
    return CrossEncoderFacts(last_layer, longest, text)


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What a sentence encoder's graph does not say about itself."""

    max_length: int
    pooling: str


def export_encoder(config: EncoderConfig, target: Path, *, tokenizer: Path) -> EncoderFacts:
    """Write a sentence encoder's graph, token ids to pooled `sentence_embedding` [n, d], and its tokenizer."""
    model, source = open_embedder(config)
    source.check_fast(model.tokenizer)
    if optimum_export.is_the_way():
        optimum_export.write_vectors(source.folder, target, name=config.model)
    else:
        _write_chain(model, target, output="sentence_embedding", longest=model.max_seq_length, name=config.model)
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
    name: str,
    load: Callable[[], CrossEncoder],
    target: Path,
    inputs: Sequence[Inputs],
    wanted: Sequence[NDArray[np.float32]],
    *,
    longest: int,
) -> LastLayer:
    """Write the graph with as little in its last layer as gives the model's logits."""
    loaded = load()
    network: Any = loaded[0].auto_model
    if len(loaded) == 1 and keep_first_token(network):
        _write_scores(loaded, target, longest=longest, name=name)
        if _difference(target, inputs, wanted) <= TOLERANCE:
            return "first token"
        loaded = load()
    _write_scores(loaded, target, longest=longest, name=name)
    if not (off := _difference(target, inputs, wanted)) <= TOLERANCE:
        raise GateError(
            f"{name}: its graph differs from torch by {off:.2g} (allowed {TOLERANCE:.0e}); use another base"
        )
    return "all tokens"


def _write_scores(model: CrossEncoder, target: Path, *, longest: int, name: str) -> None:
    if optimum_export.is_the_way():
        optimum_export.write_scores(model, target, typed=_is_typed(model), name=name)
    else:
        _write_chain(model, target, output="logits", longest=longest, name=name)


def _write_chain(model: Any, target: Path, *, output: str, longest: int, name: str) -> None:
    """Write the graph of a sentence-transformers model by PyTorch's exporter; traced on at most `longest` tokens."""
    import torch

    from relsearch.exporters.graphs.modules import Chain, scores_of
    from relsearch.exporters.graphs.torch_export import exporting, write_graph

    typed = _is_typed(model)
    names = [each for each in INPUTS if each != TYPES or typed]
    target.parent.mkdir(parents=True, exist_ok=True)
    with exporting(name), torch.no_grad():
        module = scores_of(model.cpu()) if output == "logits" else Chain(model.cpu(), output)
        rows, tokens = _TRACED
        example = _inputs(model[0].auto_model, rows, min(tokens, longest), typed=typed)
        write_graph(module, [torch.from_numpy(example[each]) for each in names], target, inputs=names, outputs=[output])


def _is_typed(model: CrossEncoder | SentenceTransformer) -> bool:
    """Whether token types reach the network and tell a pair's halves apart.

    A bundle's tokenizer may give types where the model's own does not.
    """
    network: Any = model[0].auto_model
    return tells_types(network) and any(model.tokenizer("what is it", "it is that").get(TYPES, ()))


def _inputs(model: Any, rows: int, tokens: int, *, typed: bool) -> Inputs:
    """Random token ids, none of them padding, and types; each row padded by two tokens more than the one before it."""
    mask = (np.arange(tokens)[None] < tokens - 2 * np.arange(rows)[:, None]).astype(np.int64)
    draw, known = np.random.default_rng(rows), model.get_input_embeddings().num_embeddings
    ids = draw.integers(min(5, known - 1), known, size=(rows, tokens))
    ids = np.where(ids == model.config.pad_token_id, (ids + 1) % known, ids) * mask
    types = draw.integers(0, 2, size=ids.shape) * mask
    return {"input_ids": ids, "attention_mask": mask, TYPES: types if typed else np.zeros_like(mask)}


def _torch_logits(model: CrossEncoder, inputs: Inputs) -> NDArray[np.float32]:
    """The model's own scores [rows, 1], row by row without any padding."""
    import torch

    found = []
    for row, length in enumerate(inputs["attention_mask"].sum(axis=1)):
        names = [name for name in INPUTS if name != TYPES or inputs[TYPES].any()]
        features: dict[str, Any] = {name: torch.from_numpy(inputs[name][row : row + 1, :length]) for name in names}
        with torch.inference_mode():
            for part in model.cpu():
                features = part(features)
        found.append(features["scores"].float().numpy().reshape(1, -1))
    return np.concatenate(found)


def _difference(graph: Path, inputs: Sequence[Inputs], wanted: Sequence[NDArray[np.float32]]) -> float:
    """The largest difference of a logit between graph and torch."""
    session = open_session(graph, ("logits",), variant="fp32", runtime="onnxruntime", workers=1)
    found = [session.run({name: each[name] for name in session.inputs})[0] for each in inputs]
    return float(np.abs(np.concatenate(found) - np.concatenate(wanted)).max())
