"""The ready judge as ONNX graphs against the same judge in torch: how many grades agree, and which is faster.

`python -m benchmarks.judges.exported [--queries 10]` grades the pools of some queries of TREC Deep Learning 2019 with
both, a query with one and then with the other. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. Its table is in
benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import polars as pl

from benchmarks.deals import SEED, shuffled
from benchmarks.folders import use_models
from benchmarks.judges.data import SCALE, TEST, human_of, labelled
from benchmarks.record import record
from benchmarks.rounds import faster
from relsearch.core.query_pool import pools_of
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment
from relsearch.judge.judge_card import SHIPPED, read_card
from relsearch.judge.models.loading import load_torch_judge
from relsearch.judge.tuned import load_judge
from relsearch.measure.agreement import agreement

TORCH, ONNX = "torch", "onnx"


def main() -> None:
    """Grade, compare, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10)
    arguments = parser.parse_args()
    use_models()
    every = labelled(TEST)
    part = every.of_queries(set(shuffled({pair.query_id for pair in every.pairs})[: arguments.queries]))
    judges = {TORCH: load_torch_judge(SHIPPED, read_card(SHIPPED)), ONNX: load_judge(SHIPPED)}
    seconds: dict[str, list[float]] = {name: [] for name in judges}
    labels: dict[str, list[Judgment]] = {name: [] for name in judges}
    for number, pool in enumerate(pools_of(part.pairs)):
        for name in (TORCH, ONNX) if number % 2 else (ONNX, TORCH):
            started = time.perf_counter()
            labels[name] += next(iter(judges[name].judge([pool])))
            seconds[name].append(time.perf_counter() - started)
        print(f"{number + 1}: {seconds[TORCH][-1]:.1f} s in torch, {seconds[ONNX][-1]:.1f} s as ONNX", flush=True)
    expected = {name: np.array([label.expected for label in mine], dtype=float) for name, mine in labels.items()}
    human = human_of(part)
    kappas = {
        name: agreement(human, judgments_table(mine), SCALE, resamples=1000, seed=SEED).kappa
        for name, mine in labels.items()
    }
    same = pl.Series([a.grade == b.grade for a, b in zip(labels[TORCH], labels[ONNX], strict=True)])
    figures = {
        "test": TEST,
        "queries": arguments.queries,
        "pairs": len(part.pairs),
        "same_grades": same.mean(),
        "expected_mean_difference": float(np.abs(expected[TORCH] - expected[ONNX]).mean()),
        "kappa": {name: kappa.to_json() if kappa else None for name, kappa in kappas.items()},
        "faster": faster(seconds[TORCH], seconds[ONNX]),
        "pairs_per_s": {name: round(len(part.pairs) / sum(mine), 1) for name, mine in seconds.items()},
    }
    print(figures)
    record("judge_exported", figures, seed=SEED)


if __name__ == "__main__":
    main()
