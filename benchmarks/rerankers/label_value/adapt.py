"""What adapting the ready reranker to a collection brings where nothing is labelled, pooled over four collections.

`python -m benchmarks.rerankers.label_value.adapt [--collections …] [--output runs/label-value]` takes the pools and the
student of benchmarks.rerankers.label_value. The student starts from the ready reranker and learns the pools of the
training queries, none of which is labelled, as a teacher orders them: the ready reranker, or its score with the cosine
of an encoder that it lacks added at half its weight, by shares of a softmax or by differences of scores. That encoder
is multilingual-e5-small; in French, where the student starts from it, e5-small-v2. That teacher also stands as a
reranker of its own. Needs RELSEARCH_COLLECTIONS, RELSEARCH_MODELS and runs/multilingual-e5-small
(benchmarks.data.multilingual_e5). Its minutes leave out texts whose vectors are kept. Its table is in
benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.judges.data import E5
from benchmarks.record import record
from benchmarks.rerankers.label_value.__main__ import DEPTHS, JUDGED_WEIGHT, LabelValue, soft_labels
from benchmarks.rerankers.label_value.adapter import START, Adapter, Target
from benchmarks.rerankers.label_value.gain import pooled_gain
from benchmarks.rerankers.own_collections import MULTILINGUAL_E5, OWN
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.prf import standardise

Floats = NDArray[np.float64]
READY, BOTH = "ready", "ready and another encoder"
OF_READY, OF_BOTH = "adapted, taught by ready", "adapted, taught by both"
BY_MARGINS = "adapted, taught the margins of both"
_OTHER = 0.5  # weight of the other encoder's cosine, standardised as the ready reranker's score is


def main() -> None:
    """Measure every arm on every collection, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/label-value"))
    parser.add_argument("--collections", nargs="+", choices=DEPTHS, default=list(DEPTHS))
    arguments = parser.parse_args()
    use_models()
    started = time.perf_counter()
    found = {name: values(LabelValue(name, arguments.output / name)) for name in arguments.collections}
    rows = [
        {"collection": name, "arm": arm, "ndcg10": round(float(each.mean()), 4)}
        for name, arms in found.items()
        for arm, each in arms.items()
    ]
    pooled: list[dict[str, Any]] = [
        {"arm": arm, **pooled_gain([(each[arm] - each[READY])[None] for each in found.values()])}
        for arm in (BOTH, OF_READY, OF_BOTH, BY_MARGINS)
    ]
    best = max(pooled[1:], key=lambda row: row["gain"])
    figures = {
        "rows": rows,
        "pooled": pooled,
        "tested": {name: len(arms[READY]) for name, arms in found.items()},
        "pooled_gain": best["gain"],
        "p": best["p"],
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    record("adapt", figures, seed=SEED)
    print(*rows, *pooled, sep="\n")


def values(trial: LabelValue) -> dict[str, Floats]:
    """Return NDCG@10 of each arm, shape [test queries]; human grades measure, nothing learns from them."""
    pools = trial.value_pools.candidates
    ready = {query: pool.features[:, 0] for query, pool in pools.items()}
    other = _other(trial)
    both = {query: standardise(scores + _OTHER * other[query]) for query, scores in ready.items()}

    def adapted(teacher: Mapping[str, Floats]) -> Floats:
        soft = {query: soft_labels(START * teacher[query]) for query in trial.training}
        student = Adapter.fit([Target(pools[query], gains, JUDGED_WEIGHT) for query, gains in soft.items()])
        return trial.ndcg({query: student.scores(pools[query]) for query in trial.test})

    by_margins = Adapter.fit(
        [Target(pools[query], START * both[query], JUDGED_WEIGHT) for query in trial.training], margins=True
    )
    orders = {READY: ready, BOTH: both}
    found = {arm: trial.ndcg({query: scores[query] for query in trial.test}) for arm, scores in orders.items()}
    learnt = trial.ndcg({query: by_margins.scores(pools[query]) for query in trial.test})
    return found | {OF_READY: adapted(ready), OF_BOTH: adapted(both), BY_MARGINS: learnt}


def _other(trial: LabelValue) -> dict[str, Floats]:
    """The cosine of each candidate by an encoder that the ready reranker lacks, standardised over the query's pool."""
    runs = trial.value_pools.runs
    pairs = trial.collected.pairs(pl.concat(runs.values()))
    encoder = E5 if OWN[trial.name].encoder == MULTILINGUAL_E5 else MULTILINGUAL_E5
    cosines = load_encoder(encoder, keep=trial.folder / "vectors").cosines(pairs)
    ends = np.cumsum([run.height for run in runs.values()])[:-1]
    return {query: standardise(part) for query, part in zip(runs, np.split(cosines, ends), strict=True)}


if __name__ == "__main__":
    main()
