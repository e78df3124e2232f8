"""Quality against time: NDCG@10 of a bundle on TREC DL 2019 where each query has so many milliseconds.

`python -m benchmarks.rerankers.budget BUNDLE [--budgets 0 10 ...] [--depth 100]` needs the collections folder
(RELSEARCH_COLLECTIONS). BM25's top documents are reranked; their vectors and token ids are known, as in an index. The
first stage's scores and the feedback that the bundle asks for are added, as `rerank` does. Its table is in
benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.folders import COLLECTIONS
from benchmarks.record import record
from benchmarks.rerankers.trec_dl import TEST
from relsearch.core.display.text_table import table
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_qrels, read_run
from relsearch.measure.query_values import query_values
from relsearch.rerank.families import open_scorer
from relsearch.rerank.reorder import rerank_run_within
from relsearch.rerank.reranker import Reranker

BUDGETS = (0.0, 10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)


def main() -> None:
    """Measure, print and record the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS)
    parser.add_argument("--depth", type=int, default=100)
    arguments = parser.parse_args()
    figures = measure(arguments.bundle, COLLECTIONS / TEST, budgets=arguments.budgets, depth=arguments.depth)
    rows = [[f"{row['budget_ms']:g}", f"{row['reached']:.1f}", f"{row['ndcg10']:.4f}"] for row in figures["curve"]]
    print(table(["budget, ms", "reached", "NDCG@10"], rows))
    record("rerank_budget", figures)


def measure(bundle: Path, folder: Path, *, budgets: Sequence[float], depth: int) -> dict[str, Any]:
    """Return NDCG@10 and the mean number of reached candidates at each budget, on a collection with a BM25 run."""
    collection = load_collection(str(folder))
    qrels = read_qrels(folder / "qrels.tsv", None)
    labelled = set(qrels["query_id"])
    run = read_run(folder / "runs" / "bm25.trec").filter(pl.col("query_id").is_in(labelled), pl.col("rank") <= depth)
    scorer = open_scorer(bundle, cached_documents=run["doc_id"].n_unique())
    queries, texts = texts_of(run, collection, scorer.template)
    scorer.prepare(list(texts.values()))
    scorer.warm_up()
    reranker = Reranker(scorer, scorer.template, scorer.manifest.interpolation)
    within = partial(rerank_run_within, run, queries, texts, reranker, depth=depth)
    curve = []
    for budget_ms in budgets:
        reranked, reached = within(budget_ms=budget_ms)
        values = query_values(qrels, reranked, ["nDCG@10"])["nDCG@10"]
        curve.append({"budget_ms": budget_ms, "reached": round(reached, 1), "ndcg10": round(float(values.mean()), 4)})
    return {"curve": curve, "queries": len(labelled), "depth": depth, "variant": scorer.manifest.variant}


if __name__ == "__main__":
    main()
