"""BM25 by each searcher on complete collections: `python -m benchmarks.data.bm25`.

Needs RELSEARCH_COLLECTIONS (default ../shared/collections); Lucene needs Java; Elasticsearch and OpenSearch are started
from RELSEARCH_SERVERS (default ../shared/servers). What is absent is left out and named. Its table is in
benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from benchmarks.folders import COLLECTIONS, SERVERS
from benchmarks.record import record
from relsearch.core.display.text_table import table
from relsearch.core.errors import RelsearchError
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.tables import candidates_table
from relsearch.data.collection import FolderCollection
from relsearch.data.trec import read_qrels
from relsearch.index.registry import build_searcher
from relsearch.measure.evaluate import evaluate

ENGINES = ("embedded", "lucene", "elasticsearch", "opensearch")
# Each collection's qrels, the reference NDCG@10 of its README, and the k1 and b of the table.
QRELS = {"cranfield": "qrels.tsv", "vaswani": "qrels.tsv", "scifact": "qrels_validation.tsv"}
REFERENCE = {"cranfield": 0.352, "vaswani": 0.445, "scifact": 0.676}
PARAMETERS = ((0.9, 0.4), (1.2, 0.75))
DEPTH = 100


def main() -> None:
    """Measure every engine on every collection, print a table, record it."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures: dict[str, dict[str, object]] = {name: {"reference": REFERENCE[name]} for name in QRELS}
    rows = []
    for engine in ENGINES:
        try:
            with _serving(engine) as url:
                for name in QRELS:
                    for k1, b in PARAMETERS:
                        found = measure(engine, name, IndexConfig(k1=k1, b=b, url=url, name=f"bm25-{name}"))
                        key = engine if (k1, b) == PARAMETERS[0] else f"{engine}_k1_{k1}_b_{b}"
                        figures[name][key] = found
                        row = [
                            name,
                            engine,
                            f"{k1} {b}",
                            f"{found['ndcg10']:.4f}",
                            f"{found['ndcg10_sources_kept']:.4f}",
                        ]
                        row.append(f"{found['recall100']:.4f}")
                        rows.append([*row, f"{found['ms_a_query']:.1f}", f"{REFERENCE[name]:.3f}"])
        except RelsearchError as exc:
            print(f"{engine} is left out: {exc}", file=sys.stderr)
    record("bm25", figures)
    print(table(["collection", "searcher", "k1 b", "NDCG@10", "kept", "R@100", "ms/query", "ref"], sorted(rows)))


def measure(engine: str, name: str, index: IndexConfig) -> dict[str, float]:
    """Return NDCG@10, recall and milliseconds a query of one searcher on one collection."""
    collection = FolderCollection(COLLECTIONS / name, trec=False)
    qrels = read_qrels(COLLECTIONS / name / QRELS[name], None)
    judged = set(qrels["query_id"])
    queries = [query for query in collection.queries() if query.query_id in judged]
    with tempfile.TemporaryDirectory() as folder:
        searcher = build_searcher(engine, collection.documents(), folder, index=index, encoder=EncoderConfig())
        started = time.perf_counter()
        run = candidates_table(searcher.search(queries, DEPTH))
        seconds = time.perf_counter() - started
    # The reference figures keep Cranfield's source documents in the rankings.
    runs = {"all": run, "run": _without_sources(run, name)}
    estimates = evaluate(qrels, runs, measures=["nDCG@10", "R@100"], resamples=1000, seed=13).estimates
    result, ndcg = estimates["run"], estimates["run"]["nDCG@10"]
    return {
        "ndcg10": ndcg.mean,
        "low": ndcg.low,
        "high": ndcg.high,
        "ndcg10_sources_kept": estimates["all"]["nDCG@10"].mean,
        "recall100": result["R@100"].mean,
        "queries": len(queries),
        "ms_a_query": 1000 * seconds / len(queries),
    }


def _without_sources(run: pl.DataFrame, name: str) -> pl.DataFrame:
    """Drop the documents that Cranfield's questions were written from, as its qrels do."""
    path = COLLECTIONS / name / "qrels_with_source.tsv"
    if not path.is_file():
        return run
    pair = ["query_id", "doc_id"]
    without = read_qrels(COLLECTIONS / name / QRELS[name], None)
    sources = read_qrels(path, None).join(without, on=pair, how="anti")
    kept = run.join(sources, on=pair, how="anti", maintain_order="left")
    return kept.with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id").cast(pl.Int32))


@contextmanager
def _serving(engine: str) -> Iterator[str]:
    if engine not in ("elasticsearch", "opensearch"):
        yield "http://127.0.0.1:9200"
        return
    if not (SERVERS / "start.py").is_file():
        raise RelsearchError(f"{SERVERS} has no start.py; set RELSEARCH_SERVERS")
    command = [sys.executable, str(SERVERS / "start.py"), engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            words = (word for line in process.stdout or () for word in line.split())
            url = next((word for word in words if word.startswith("http://")), None)
            if url is None:
                raise RelsearchError(f"{engine} did not start")
            yield url
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
