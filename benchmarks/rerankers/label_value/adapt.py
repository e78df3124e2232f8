"""What adapting the ready reranker to a collection brings where nothing is labelled, pooled over four collections.

`python -m benchmarks.rerankers.label_value.adapt [--collections …] [--output runs/label-value]` takes the pools and the
student of benchmarks.rerankers.label_value. The student starts from the ready reranker and learns the pools of the
training queries, none of which is labelled, as a teacher orders them: the ready reranker, or its score with the cosine
of a second encoder (MiniLM) added at half its weight, by shares of a softmax or by differences of scores. That teacher
also stands as a reranker of its own. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. Its minutes leave out texts
whose vectors are kept. Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.judges.data import MINILM
from benchmarks.record import record
from benchmarks.rerankers.label_value.__main__ import DEPTHS, JUDGED_WEIGHT, LabelValue, soft_labels
from benchmarks.rerankers.label_value.adapter import START, Adapter, Target
from benchmarks.rerankers.label_value.gain import pooled_gain
from relsearch.core.types import Pair
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.prf import standardise

Floats = NDArray[np.float64]
READY, TWO, OF_READY, OF_TWO = "ready", "two encoders", "adapted, taught by ready", "adapted, taught by two encoders"
BY_MARGINS = "adapted, taught the margins of two encoders"
_SECOND = 0.5  # weight of the second encoder's cosine, standardised as the ready reranker's score is


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
        for arm in (TWO, OF_READY, OF_TWO, BY_MARGINS)
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
    second = _second(trial)
    two = {query: standardise(scores + _SECOND * second[query]) for query, scores in ready.items()}

    def adapted(teacher: Mapping[str, Floats]) -> Floats:
        soft = {query: soft_labels(START * teacher[query]) for query in trial.training}
        student = Adapter.fit([Target(pools[query], gains, JUDGED_WEIGHT) for query, gains in soft.items()])
        return trial.ndcg({query: student.scores(pools[query]) for query in trial.test})

    by_margins = Adapter.fit(
        [Target(pools[query], START * two[query], JUDGED_WEIGHT) for query in trial.training], margins=True
    )
    orders = {READY: ready, TWO: two}
    found = {arm: trial.ndcg({query: scores[query] for query in trial.test}) for arm, scores in orders.items()}
    learnt = trial.ndcg({query: by_margins.scores(pools[query]) for query in trial.test})
    return found | {OF_READY: adapted(ready), OF_TWO: adapted(two), BY_MARGINS: learnt}


def _second(trial: LabelValue) -> dict[str, Floats]:
    """The second encoder's cosine of each candidate, standardised over the query's pool."""
    runs, queries = trial.value_pools.runs, trial.collected.query_texts
    texts = trial.collected.texts({doc_id for run in runs.values() for doc_id in run["doc_id"]})
    pairs = [
        Pair(query, doc_id, queries[query], texts[doc_id]) for query, run in runs.items() for doc_id in run["doc_id"]
    ]
    cosines = load_encoder(MINILM, keep=trial.folder / "vectors").cosines(pairs)
    ends = np.cumsum([run.height for run in runs.values()])[:-1]
    return {query: standardise(part) for query, part in zip(runs, np.split(cosines, ends), strict=True)}


if __name__ == "__main__":
    main()
