"""Vectors of a collection's queries and documents by the encoder that its reranker starts from, encoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.rerankers.own_collections import MULTILINGUAL_E5, OWN
from relsearch.rerank.bundle import SHIPPED
from relsearch.rerank.late.model import LateModel, load_late, principal_projection, word_states
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.late.reading import Reading
from relsearch.rerank.vectors.interaction import DocumentVectors, TextVectors, compress

Encode = Callable[[Sequence[str]], list[TextVectors]]
_PROJECTED = 200  # documents whose token vectors set a projection that is not shipped


def encoders(name: str, texts: Sequence[str]) -> tuple[Encode, Encode]:
    """Return what encodes queries and documents: the ready bundle, in French untrained late interaction."""
    if OWN[name].encoder != MULTILINGUAL_E5:
        scorer = LateOnnxScorer.open(SHIPPED)
        return (
            lambda queries: scorer.encode_queries(list(queries)),
            lambda documents: scorer.encode_documents(scorer.readable(documents)),
        )
    ready = LateOnnxScorer.open(SHIPPED).manifest
    length, dimension = ready.documents.max_length, ready.dimension
    model = load_late(MULTILINGUAL_E5.model, MULTILINGUAL_E5, max_length=length, dimension=dimension)
    states = (words for _, words in word_states(model, list(texts)[:_PROJECTED]))
    with torch.no_grad():
        model.projection.weight.copy_(principal_projection(model, states))
    return (
        lambda queries: _read(model, queries, model.queries),
        lambda documents: _read(model, documents, model.documents),
    )


def kept_vectors(path: Path, texts: Mapping[str, str], encode: Callable[[], Encode]) -> dict[str, DocumentVectors]:
    """Return the vectors of texts by id, as rerankers keep them; encoded where the file does not hold them all."""
    kept = _load(path) if path.is_file() else {}
    if not texts.keys() <= kept.keys():
        found = [compress(vectors) for vectors in encode()(list(texts.values()))]
        np.savez(
            path,
            ids=np.array(list(texts)),
            pooled=np.stack([each.pooled for each in found]),
            tokens=np.concatenate([each.tokens for each in found]),
            ends=np.cumsum([len(each.tokens) for each in found]),
        )
        kept = _load(path)
    return {name: kept[name] for name in texts}


def _load(path: Path) -> dict[str, DocumentVectors]:
    with np.load(path, allow_pickle=False) as file:
        tokens = np.split(file["tokens"], file["ends"][:-1])
        rows = zip(file["ids"].tolist(), file["pooled"], tokens, strict=True)
        return {name: DocumentVectors(pooled, each) for name, pooled, each in rows}


def _read(model: LateModel, texts: Sequence[str], reading: Reading) -> list[TextVectors]:
    rows: dict[int, TextVectors] = {}
    with torch.inference_mode():
        for place, pooled, tokens in model.vectors(texts, reading):
            rows[place] = TextVectors(pooled.numpy(), tokens.numpy())
    return [rows[place] for place in range(len(texts))]
