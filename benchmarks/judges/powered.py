"""What judged labels of many queries add to human ones of few, as `relsearch evaluate --judgments` has it.

`python -m benchmarks.judges.powered [--output runs/judge-quality]` takes collections whose every query people labelled,
so that the truth is known: the mean NDCG@10 of each run, and the difference of each pair of runs, by human labels of
all queries. It draws queries with replacement, some with both kinds of labels and some with a judge's alone, DRAWS
times, and counts how often the 95 % interval holds the truth, how wide it is beside that of human labels alone, and how
many labelled queries that width is worth. Judges are published ones and, on the year that it did not learn from, the
ready judge. It needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS; the ready judge's labels are kept in the output
folder. Its table is in benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.judges.data import TEST
from benchmarks.judges.quality import Bench
from benchmarks.judges.variants import SHIPPED
from benchmarks.record import record
from relsearch.core.display.text_table import table
from relsearch.data.trec import read_labels, read_run
from relsearch.measure.prediction_powered import powered_mean
from relsearch.measure.query_values import query_values

JUDGES = {
    TEST: {"GPT-4": "gpt4", "DeepSeek-V3": "deepseekv3", "Llama-3-8B": "llama3-8b", SHIPPED: ""},
    "trec-dl-2021": {"GPT-4": "gpt4"},
}
QUERIES = ((10, 200), (20, 200), (20, 30))  # with both kinds of labels, and with the judge's alone
DRAWS = 1000
MEASURE = "nDCG@10"
Values = tuple[NDArray[np.float64], NDArray[np.float64]]  # by human and by judged labels, of the same queries


def main() -> None:
    """Draw, count, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    output = parser.parse_args().output
    use_models()
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = []
    for name, judges in JUDGES.items():
        for judge, file in judges.items():
            path = COLLECTIONS / name / f"llm_{file}_umbrela.tsv"
            labels = read_labels(path, None) if file else Bench(output).judged(SHIPPED)
            rows += measured(name, judge, labels, rng)
    differences = [row for row in rows if row["of"] == "differences"]
    figures = {
        "measure": MEASURE,
        "draws": DRAWS,
        "rows": rows,
        "coverage": float(np.mean([row["coverage"] for row in rows])),
        "lowest_coverage": min(row["coverage"] for row in rows),
        "width_ratio": float(np.mean([row["width_ratio"] for row in differences])),
    }
    record("ppi", figures, seed=SEED)
    cells = [[f"{each:.3g}" if isinstance(each, float) else str(each) for each in row.values()] for row in rows]
    print(table(list(rows[0]), cells, width=None))


def measured(collection: str, judge: str, labels: pl.DataFrame, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of queries, of the runs' means and of their differences."""
    runs = values(collection, labels)
    pairs = [(theirs[0] - mine[0], theirs[1] - mine[1]) for mine, theirs in combinations(runs, 2)]
    for both, judged in QUERIES:
        for of, every in (("means", runs), ("differences", pairs)):
            draws = [_drawn(each, both, judged, rng) for each in every for _ in range(DRAWS // len(every))]
            held, alone, width = np.mean(draws, axis=0).tolist()
            row: dict[str, Any] = {"collection": collection, "judge": judge, "of": of, "both": both, "judged": judged}
            yield {**row, "coverage": held, "coverage_alone": alone, "width_ratio": width, "worth": both / width**2}


def values(collection: str, judged: pl.DataFrame) -> list[Values]:
    """Return each run's values by query, of the queries and the pairs that both people and the judge labelled."""
    folder = COLLECTIONS / collection
    human = read_labels(folder / "qrels.tsv", None)
    judged = judged.join(human.select("query_id", "doc_id"), on=["query_id", "doc_id"], how="semi")
    human = human.join(judged.select("query_id").unique(), on="query_id", how="semi")
    runs = [read_run(path) for path in sorted((folder / "runs").glob("*.trec"))]
    return [
        (query_values(human, run, [MEASURE])[MEASURE], query_values(judged, run, [MEASURE])[MEASURE]) for run in runs
    ]


def _drawn(every: Values, both: int, judged: int, rng: np.random.Generator) -> tuple[bool, bool, float]:
    """Whether a draw's interval holds the truth, whether that of human labels alone does, and the ratio of widths."""
    human, by_judge = every
    mine, more = (rng.integers(len(human), size=size) for size in (both, judged))
    found = powered_mean(human[mine], by_judge[mine], by_judge[more])
    truth, middle = human.mean(), human[mine].mean()
    half = (found.estimate.high - found.estimate.low) / 2 / found.width_ratio
    return found.estimate.low <= truth <= found.estimate.high, abs(middle - truth) <= half, found.width_ratio


if __name__ == "__main__":
    main()
