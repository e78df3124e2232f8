"""Documents read at indexing time: how fast a search then is, what compressing the vectors costs, what they weigh."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.folders import COLLECTIONS
from benchmarks.rerankers.speed.ways import NAIVE, Floats, Way, sentence_transformers
from benchmarks.rounds import faster, interleaved
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_qrels, read_run
from relsearch.measure.query_values import query_values
from relsearch.rerank.calibrated import Request
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker
from relsearch.rerank.vectors.folder import VectorFolder
from relsearch.rerank.vectors.interaction import TextVectors

PRECOMPUTED, COLD = "late interaction, documents precomputed", "late interaction, documents read now"


def speed(bundle: Path, peer: Path, request: Request, *, threads: int, rounds: int, max_length: int) -> dict[str, Any]:
    """Return how many times as fast as CrossEncoder.predict on `peer` a search is, documents stored or not."""
    with tempfile.TemporaryDirectory() as folder:
        stored = LateOnnxScorer.open(bundle, workers=threads, vectors=partial(VectorFolder, Path(folder)))
        stored.open_store().add(request[1], stored.document_vectors)
        ways: dict[str, Way] = {
            NAIVE: sentence_transformers(peer, max_length=max_length),
            COLD: lambda each: _cold(stored, each),
            PRECOMPUTED: lambda each: _stored(stored, each),
        }
        seconds = interleaved({name: partial(way, request) for name, way in ways.items()}, rounds=rounds)
        size = stored.open_store().nbytes / len(stored.open_store())
    return {
        "precomputed_ratio": faster(seconds[NAIVE], seconds[PRECOMPUTED])["value"],
        "precomputed": {
            "seconds": {name: round(float(np.median(each)), 5) for name, each in seconds.items()},
            "ratio": {name: faster(seconds[NAIVE], each) for name, each in seconds.items()},
            "peer": f"CrossEncoder.predict, {peer.name}",
            "bytes_a_document": round(size),
        },
    }


def _cold(scorer: LateOnnxScorer, request: Request) -> Floats:
    """The logits with every document read now."""
    (query,) = scorer.encode_queries([request[0]])
    return scorer.document_logits(query, scorer.document_vectors(list(request[1])))


def _stored(scorer: LateOnnxScorer, request: Request) -> Floats:
    """The logits with every document taken from the folder, none from the scorer's cache."""
    (query,) = scorer.encode_queries([request[0]])
    found = scorer.open_store().lookup(request[1])
    return scorer.document_logits(query, [found[text] for text in request[1]])


def compression_loss(bundle: Path, collection: str) -> dict[str, Any]:
    """Return the relative loss of NDCG@10 of kept vectors, a byte a number, against those that the graph gives."""
    folder = COLLECTIONS / collection
    source, qrels = load_collection(str(folder)), read_qrels(folder / "qrels.tsv", None)
    run = read_run(folder / "runs" / "bm25.trec").filter(pl.col("query_id").is_in(qrels["query_id"].unique().implode()))
    kept = LateOnnxScorer.open(bundle)
    queries, texts = texts_of(run, source, kept.template)
    figures = {}
    for name, scorer in (("ndcg10", kept), ("ndcg10_uncompressed", Uncompressed(kept))):
        reranked = rerank_run(run, queries, texts, Reranker(scorer), depth=100)
        figures[name] = round(float(query_values(qrels, reranked, ["nDCG@10"])["nDCG@10"].mean()), 5)
    loss = 1 - figures["ndcg10"] / figures["ndcg10_uncompressed"]
    return {"precomputed_ndcg_loss": round(loss, 5), "precomputed_ndcg10": figures}


class Uncompressed:
    """The same bundle on the vectors as they come, in float32."""

    def __init__(self, scorer: LateOnnxScorer) -> None:
        self._scorer = scorer

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return raw logits, whose order is what is measured."""
        (read,) = self._scorer.encode_queries([query])
        documents = self._scorer.encode_documents(list(texts))
        cosines = np.array([document.pooled @ read.pooled for document in documents])
        logits: list[float] = self._scorer.head.logits(cosines, [_maxsim(read, each) for each in documents]).tolist()
        return logits


def _maxsim(query: TextVectors, document: TextVectors) -> Floats:
    similarity: Floats = (document.tokens @ query.tokens.T).max(axis=0).mean()
    return similarity
