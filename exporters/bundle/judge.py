"""A tuned judge of the encoder family as ONNX graphs, which grade without torch and without a model hub."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from relsearch.core.errors import ConfigError, GateError
from relsearch.core.files.atomic import check_replaceable, checksum, scratch, swap
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool, pools_of
from relsearch.data.collection import Collection
from relsearch.exporters.bundle.cross_encoder import labelled_pairs
from relsearch.exporters.graphs.checked import export_encoder, save_tokenizer
from relsearch.exporters.graphs.shared_weights import share_weights
from relsearch.exporters.graphs.torch_export import exporting, write_graph
from relsearch.judge.judge_card import ADAPTER, ANY_DTYPE, CARD, HEAD, JudgeCard, read_card
from relsearch.judge.models.base import Base
from relsearch.judge.models.bidirectional import pair_features
from relsearch.judge.models.loading import TorchPairModel, load_pair_model, load_torch_judge
from relsearch.judge.onnx.manifest import (
    ADDED,
    FOLDER,
    PAIR,
    TOKENIZER,
    WEIGHTS,
    EncoderGraph,
    OnnxManifest,
    exported_files,
    seal,
)
from relsearch.judge.tuned import load_judge

MIN_SAME = 0.99  # the smallest share of documents that must get the grade that torch gives them
_QUERIES = 10  # of a collection, whose labelled documents an export is held to torch on
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_COPIED = (f"{ADAPTER}/adapter_model.safetensors", f"{ADAPTER}/adapter_config.json", f"{ADAPTER}/{HEAD}", CARD)


class _PairGraph(nn.Module):
    """The pair model with its head: token ids, mask, and 1 for each token of the document, to one score a pair."""

    def __init__(self, base: Base, head: Tensor) -> None:
        super().__init__()
        self._model = base.model.float()
        self._typed = base.typed
        self._head = nn.Parameter(head.float(), requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        types = {"token_type_ids": token_type_ids} if self._typed else {}
        states = self._model(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        mask = attention_mask.bool()
        features = pair_features(states, mask, token_type_ids.bool() & mask)
        return (features @ self._head.T).squeeze(1)


def export_judge(folder: Path, output: Path, *, pools: Sequence[QueryPool]) -> OnnxManifest:
    """Export the tuned judge in `folder` to the judge folder `output`, which grades by ONNX Runtime alone.

    The export must give MIN_SAME of the documents of `pools` the grade that torch gives them. Return what was written.
    Raise ConfigError for a judge of the LLM family, GateError where too many grades differ, ArtifactError where
    `output` holds anything but an exported judge.
    """
    card = read_card(folder)
    if card.judge.family != "encoder":
        raise ConfigError(f"{folder}: only judges of the encoder family can be exported; this one is an LLM")
    check_replaceable(output, [*_COPIED, *(f"{FOLDER}/{name}" for name in exported_files(output))])
    with scratch(output) as aside:
        made = aside / "judge"
        for name in _COPIED:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, made / name)
        manifest = _write(card, load_pair_model(folder, card, exact=True), made / FOLDER)
        # Kept vectors are rounded, as those of the exported judge always are; its graphs compute in single precision.
        judge = load_torch_judge(folder, card, keep=aside / "vectors", exact=True)
        same = _same_share(judge, load_judge(made), pools)
        if not same >= MIN_SAME:
            raise GateError(
                f"{folder}: as ONNX it gives only {same:.1%} of the documents the grade that torch gives them "
                f"(at least {MIN_SAME:.0%}); use it in torch"
            )
        manifest = seal(made / FOLDER, manifest.model_copy(update={"figures": {"same_grades": round(same, 4)}}))
        swap(made, output)
    return manifest


def export_labelled_judge(folder: Path, output: Path, *, collection: Collection) -> OnnxManifest:
    """Export a judge held to torch on the first labelled queries of a collection; raise as export_judge does."""
    pairs, _ = labelled_pairs(collection)
    return export_judge(folder, output, pools=pools_of(pairs)[:_QUERIES])


def _write(card: JudgeCard, model: TorchPairModel | None, folder: Path) -> OnnxManifest:
    """Write graphs, shared weights, tokenizers and their manifest."""
    folder.mkdir()
    graphs, pair, special_tokens = [], None, True
    if model is not None:
        special_tokens = model.special_tokens
        _export_pair(_PairGraph(model.base, model.head.added.weight), folder / PAIR, name=card.judge.base)
        save_tokenizer(model.base.tokenizer.backend_tokenizer.to_str(), folder / TOKENIZER)
        pair, graphs = (PAIR, TOKENIZER), [folder / PAIR]
    encoders = []
    for number, config in enumerate(card.encoders, start=1):
        graph, tokenizer = folder / f"encoder{number}.onnx", folder / f"encoder{number}_tokenizer.json"
        facts = export_encoder(config, graph, tokenizer=tokenizer)
        graphs.append(graph)
        if pair and checksum(tokenizer) == checksum(folder / TOKENIZER):
            tokenizer.unlink()
            tokenizer = folder / TOKENIZER
        encoders.append(EncoderGraph(graph=graph.name, tokenizer=tokenizer.name, max_tokens=facts.max_length))
    share_weights(graphs, folder / WEIGHTS)
    judge = card.fingerprint(ANY_DTYPE)
    return seal(folder, OnnxManifest(judge=judge, pair=pair, special_tokens=special_tokens, encoders=tuple(encoders)))


def _export_pair(graph: nn.Module, target: Path, *, name: str) -> None:
    ids = torch.arange(100, 124).reshape(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    second = mask.clone()
    second[:, :5] = 0
    with exporting(name), torch.inference_mode():
        write_graph(graph, (ids, mask, second), target, inputs=_INPUTS, outputs=[ADDED])


def _same_share(judge: Judge, exported: Judge, pools: Sequence[QueryPool]) -> float:
    """The share of documents that both judges give one grade."""
    mine, other = ([one.grade for labels in each.judge(pools) for one in labels] for each in (judge, exported))
    return float(np.mean([a == b for a, b in zip(mine, other, strict=True)]))
