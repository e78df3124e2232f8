"""A cascade on TREC DL 2019: the ready reranker orders BM25's top 100, a cross-encoder reads the head of that again.

`python -m benchmarks.rerankers.cascade MODEL [--sizes 10 20 50]` exports a cross-encoder that `train` wrote to int8 and
measures NDCG@10 and milliseconds a query of either alone and of both, interleaved; documents' vectors and token ids are
known, as in an index. Needs RELSEARCH_COLLECTIONS. Its table is in benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.record import record
from benchmarks.rerankers.trec_dl import TEST
from benchmarks.rerankers.trial import DEPTH, compared
from relsearch.core.tables import CANDIDATES
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_qrels, read_run
from relsearch.exporters.bundle.choose import write_int8
from relsearch.exporters.bundle.onnx import write_fp32
from relsearch.rerank.bundle import SHIPPED
from relsearch.rerank.reranker import Reranker

ALONE, EVERY = "ready reranker alone", "cross-encoder alone"
Way = Callable[[str, list[str], list[float]], list[float]]


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the folder of a trained cross-encoder")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50])
    arguments = parser.parse_args()
    use_models()
    folder = COLLECTIONS / TEST
    qrels = read_qrels(folder / "qrels.tsv", None)
    labelled = pl.col("query_id").is_in(qrels["query_id"].unique().implode())
    bm25 = read_run(folder / "runs" / "bm25.trec").filter(labelled, pl.col("rank") <= DEPTH)
    with tempfile.TemporaryDirectory() as work:
        write_fp32(arguments.model, Path(work) / "fp32")
        write_int8(Path(work) / "fp32", Path(work) / "int8")
        first, second = (Reranker(bundle) for bundle in (SHIPPED, Path(work) / "int8"))
        queries, texts = texts_of(bm25, load_collection(str(folder)), first.template)
        for reranker in (first, second):
            reranker.prepare(list(texts.values()))
        ways: dict[str, Way] = {ALONE: first.score_pool, EVERY: second.score_pool}
        for size in arguments.sizes:
            ways[f"both, {size} of them"] = first.with_cascade(second, size).score_pool
        runs, seconds = _interleaved(bm25, queries, texts, ways)
    result = compared(qrels, runs)
    print({way: round(1000 * each, 1) for way, each in seconds.items()})
    record("cascade", {"seconds": seconds, "model": arguments.model.name, **result.to_json()}, seed=SEED)


def _interleaved(
    bm25: pl.DataFrame, queries: dict[str, str], texts: Mapping[str, str], ways: dict[str, Way]
) -> tuple[dict[str, pl.DataFrame], dict[str, float]]:
    """Return each way's run and its median seconds a query; all ways take their turn at each query."""
    rows: dict[str, list[tuple[Any, ...]]] = {way: [] for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for (query_id,), candidates in bm25.sort("query_id", "rank").group_by("query_id", maintain_order=True):
        doc_ids, stage = candidates["doc_id"].to_list(), candidates["score"].to_list()
        for way, scores_of in ways.items():
            started = time.perf_counter()
            scores = scores_of(queries[str(query_id)], [texts[doc_id] for doc_id in doc_ids], stage)
            seconds[way].append(time.perf_counter() - started)
            ranked = sorted(zip(doc_ids, scores, strict=True), key=lambda pair: -pair[1])
            rows[way] += [(query_id, doc_id, rank, score, way) for rank, (doc_id, score) in enumerate(ranked, 1)]
    runs = {way: pl.DataFrame(found, schema=dict(CANDIDATES), orient="row") for way, found in rows.items()}
    return runs, {way: float(np.median(each)) for way, each in seconds.items()}


if __name__ == "__main__":
    main()
