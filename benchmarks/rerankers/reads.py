"""What reading only some of a query's candidates costs in quality and saves in time.

`python -m benchmarks.rerankers.reads [--vectors runs/reads] [--timed 12]` reranks BM25's top 100 with the ready
reranker as shipped, where all are read, the most promising (`rerank --read`) or the search's first. Then it tries how
the first stage's weight should rise where few are read. Then, for some queries of TREC DL 2019, it takes processor time
of a query none of whose documents were read before, with all and with READ of them, in turn. How the promising ones are
found was chosen with an eye on figures of all of these but scifact, the weight on those of all. Needs
RELSEARCH_COLLECTIONS. Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.data.bm25 import DEPTH, QRELS
from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS
from benchmarks.record import record
from benchmarks.rerankers.transfer import first_stage
from benchmarks.rerankers.trec_dl import TEST
from benchmarks.rerankers.trial import MEASURE, compared
from relsearch.data.collection import FolderCollection, texts_of
from relsearch.data.trec import read_qrels
from relsearch.index.engine.vector_index import open_vectors
from relsearch.measure.query_values import query_values
from relsearch.rerank.abilities import ReadsDocuments
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker

READ, SOME = 30, (10, 20, 30, 50)
WEIGHTS = (0.2, 0.6, 1.0)  # of the first stage where hardly any is read; the first is that of all
NAMES = (TEST, "trec-dl-2021", *QRELS)
_THREADS = 1


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vectors", type=Path, default=Path("runs/reads"), help="a folder that keeps what was read")
    parser.add_argument("--timed", type=int, default=12, help="queries whose processor time is taken")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for name in NAMES:
        print(name, flush=True)
        figures[name] = _measured(name, options.vectors / name)
    seconds = _seconds(options.timed)
    print(seconds)
    record("reads", {"depth": DEPTH, "read": READ, "collections": figures, **seconds}, seed=SEED)


def _pools(name: str) -> tuple[pl.DataFrame, pl.DataFrame, Mapping[str, str], Mapping[str, str], str]:
    """The human grades, BM25's top, the queries' and documents' texts."""
    collection, template = FolderCollection(COLLECTIONS / name, trec=False), Reranker("ready").template
    qrels = read_qrels(COLLECTIONS / name / QRELS.get(name, "qrels.tsv"), None)
    run = first_stage(name, collection, set(qrels["query_id"]))
    return qrels, run, *texts_of(run, collection, template), template


def _measured(name: str, kept: Path) -> dict[str, Any]:
    qrels, run, queries, texts, _ = _pools(name)
    vectors = open_vectors(kept, create=True)
    reranker = Reranker("ready", vectors=vectors, cached_documents=len(texts))
    reranker.prepare(list(texts.values()))
    if isinstance(reranker.scorer, ReadsDocuments):
        reranker.scorer.save(list(texts.values()))
    runs = {"all": rerank_run(run, queries, texts, reranker, depth=DEPTH)}
    for some in SOME:
        runs[f"{some} promising"] = rerank_run(run, queries, texts, replace(reranker, reads=some), depth=DEPTH)
        runs[f"first {some}"] = rerank_run(run, queries, texts, reranker, depth=some)
    weighed: dict[str, dict[str, float]] = {}
    for some in SOME:
        for weight in WEIGHTS:
            share = some / DEPTH
            mix = reranker.interpolation.replace(first_stage=share * WEIGHTS[0] + (1 - share) * weight)
            order = rerank_run(run, queries, texts, replace(reranker, reads=some, interpolation=mix), depth=DEPTH)
            mean = float(query_values(qrels, order, [MEASURE])[MEASURE].mean())
            weighed.setdefault(str(some), {})[str(weight)] = mean
    return compared(qrels, runs).to_json() | {"weights": weighed}


def _seconds(timed: int) -> dict[str, Any]:
    """Processor seconds of a query, on one thread: the median with all and with some, and of both's ratio."""
    _, run, queries, texts, _ = _pools(TEST)
    spent: dict[int, list[float]] = {DEPTH: [], READ: []}
    for number, ((query,), pool) in enumerate(run.sort("query_id", "rank").group_by("query_id", maintain_order=True)):
        if number == timed:
            break
        wanted, stage = [texts[doc] for doc in pool["doc_id"]], pool["score"].to_list()
        for reads in sorted(spent, reverse=bool(number % 2)):
            with Reranker("ready", reads=reads, workers=_THREADS) as reranker:
                reranker.score_pool("warm", ["up"])
                started = time.process_time()
                reranker.score_pool(queries[str(query)], wanted, stage)
                spent[reads].append(time.process_time() - started)
    ratios = [of_all / of_some for of_all, of_some in zip(spent[DEPTH], spent[READ], strict=True)]
    return {
        "timed": len(ratios),
        "cpu_seconds_all": statistics.median(spent[DEPTH]),
        "cpu_seconds_read": statistics.median(spent[READ]),
        "times_as_fast": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
    }


if __name__ == "__main__":
    main()
