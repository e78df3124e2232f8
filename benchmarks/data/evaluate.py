"""`relsearch evaluate` at the size of MS MARCO's dev set: `python -m benchmarks.data.evaluate`.

Two runs of 6,980 queries and 1,000 passages each, with ids and scores as such runs have them, and one relevant passage
a query. Every query's value of every default measure is compared with what ir-measures computes of the same files. Its
table is in benchmarks/growth.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import polars as pl

from benchmarks.data.growth import usage_of
from benchmarks.record import record

_QUERY_IDS, _PASSAGES = 1_102_400, 8_841_823  # of MS MARCO
_SEED = 13
_READERS: dict[str, Any] = {"qrels": ir_measures.read_trec_qrels, "run": ir_measures.read_trec_run}  # not annotated
# A run's name, the mean rank of the relevant passage, and the decimals of its scores.
_RUNS = (("bm25", 60, 4), ("reranked", 20, 16))


def main() -> None:
    """Write the runs, measure the verb in a process of its own, and compare its values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=6980)
    parser.add_argument("--depth", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, queries=arguments.queries, depth=arguments.depth)
        runs = {name: folder / f"{name}.trec" for name, _, _ in _RUNS}
        verb = ["evaluate", str(folder / "qrels.tsv"), *map(str, runs.values()), "--json"]
        started = time.perf_counter()
        answer, usage = usage_of([sys.executable, "-c", "from relsearch.cli import main; main()", *verb])
        seconds = time.perf_counter() - started
        values = json.loads(answer)["per_query"]
        figures: dict[str, Any] = {
            "queries": arguments.queries,
            "rows": len(runs) * arguments.queries * arguments.depth,
            "input_mb": round(sum(path.stat().st_size for path in runs.values()) / 1e6),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "peak_mb": round(usage.ru_maxrss / 1024),
            **_compared(values, folder / "qrels.tsv", runs),
        }
    record("evaluate", figures, seed=_SEED)


def prepare(folder: Path, *, queries: int, depth: int) -> None:
    """Write qrels.tsv with one relevant passage a query, and runs that hold it."""
    rng = np.random.default_rng(_SEED)
    query_ids, rows = rng.choice(_QUERY_IDS, queries, replace=False), np.arange(queries)
    relevant = rng.integers(0, _PASSAGES, queries)
    labels = pl.DataFrame({"query_id": query_ids, "0": 0, "doc_id": relevant, "grade": 1})
    labels.write_csv(folder / "qrels.tsv", include_header=False, separator="\t")
    for name, mean_rank, decimals in _RUNS:
        # Passages of different remainders are different; the relevant one takes the place of its own remainder.
        found = rng.integers(0, _PASSAGES // depth, (queries, depth)) * depth + np.arange(depth)
        found[rows, relevant % depth] = relevant
        found = rng.permuted(found, axis=1)
        before = (found == relevant[:, None]).argmax(axis=1)
        after = np.minimum(rng.geometric(1 / mean_rank, queries), depth) - 1
        found[rows, before] = found[rows, after]
        found[rows, after] = relevant
        scores = np.sort(rng.gamma(6, 2.5, (queries, depth)).round(decimals), axis=1)[:, ::-1]
        columns = {
            "query_id": np.repeat(query_ids, depth),
            "Q0": "Q0",
            "doc_id": found.ravel(),
            "rank": np.tile(np.arange(1, depth + 1), queries),
            "score": scores.ravel(),
            "tag": name,
        }
        pl.DataFrame(columns).write_csv(folder / f"{name}.trec", include_header=False, separator=" ")


def _compared(values: dict[str, Any], qrels: Path, runs: dict[str, Path]) -> dict[str, Any]:
    """How many values were compared with those of ir-measures, and how many are not the same to the last digit."""
    measures = list(next(iter(values.values()))["bm25"])
    compared = different = 0
    for name, path in runs.items():
        given = _READERS["qrels"](str(qrels)), _READERS["run"](str(path))
        for each in ir_measures.iter_calc(map(ir_measures.parse_measure, measures), *given):
            compared += 1
            different += values[each.query_id][name][str(each.measure)] != each.value
    return {"measures": measures, "values_compared": compared, "values_different": different}


if __name__ == "__main__":
    main()
