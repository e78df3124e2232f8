"""How many labelled queries judged and written ones stand for, pooled over four collections.

`python -m benchmarks.rerankers.label_value [--collections …] [--k 0 5 10 20] [--seeds 5] [--output runs/label-value]`
trains a student that costs a second on the labels of k training queries; on these and the pools of the other training
queries, as the student that learnt from those k judges them; on these and queries written from titles and phrases, each
with its own document; on both; and on all labels. Half of the labelled queries, or the collection's own validation
split, are the test: nothing is chosen on them. Pools are the heads of BM25's runs, of scifact 60 training and 70 test
queries, so that documents are encoded in minutes. cnil-fr needs runs/multilingual-e5-small
(benchmarks.data.multilingual_e5). Needs RELSEARCH_COLLECTIONS. A cut run goes on. Its table is in
benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED, shuffled
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.record import record
from benchmarks.rerankers.label_value.adapter import START, Adapter, Candidates, Target
from benchmarks.rerankers.label_value.gain import pooled_rows
from benchmarks.rerankers.label_value.pools import ValuePools
from benchmarks.rerankers.own_collections import OWN, own_domain_config
from benchmarks.rerankers.trial import MEASURE, Trial, kept_figures
from relsearch.data.trec import read_qrels
from relsearch.measure.query_values import query_values
from relsearch.pipeline.stages.inputs import of_queries

Floats = NDArray[np.float64]
COSINE, READY, HUMAN, JUDGED, WRITTEN, BOTH, ALL = (
    *("untrained cosine", "ready", "k labels", "judged pools", "synthetic queries", "both", "all labels"),
)
DEPTHS = {"cranfield": 50, "vaswani": 30, "scifact": 20, "cnil-fr": 50}
_TRAINING_DEPTHS = DEPTHS | {"scifact": 10}
_SCIFACT_TRAINING, _SCIFACT_TEST = 60, 70  # queries
# Chosen on folds of the training queries: heavier ones cost, lighter ones do nothing.
JUDGED_WEIGHT, _WRITTEN_WEIGHT = 0.3, 0.05
_TEMPERATURE = 0.5  # of the judge's softmax


def main() -> None:
    """Train every arm that has no result, record after each collection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/label-value"))
    parser.add_argument("--collections", nargs="+", choices=DEPTHS, default=list(DEPTHS))
    parser.add_argument("--k", type=int, nargs="+", default=[0, 5, 10, 20])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    use_models()
    found: dict[str, dict[tuple[int, str], Floats]] = {}
    learnt: dict[str, int] = {}
    for name in arguments.collections:
        trial = LabelValue(name, arguments.output / name)
        found[name] = trial.values(arguments.k, arguments.seeds)
        learnt[name] = len(trial.training)
    rows = [
        {"collection": name, "k": k if k >= 0 else None, "arm": arm, "ndcg10": round(float(values.mean()), 4)}
        for name, arms in found.items()
        for (k, arm), values in arms.items()
    ]
    figures = {
        "rows": rows,
        "pooled": pooled_rows(found, learnt, arguments.k, arms=(JUDGED, WRITTEN, BOTH), human=HUMAN, every=ALL),
        "learnt": learnt,
        "tested": {name: arms[-1, READY].shape[1] for name, arms in found.items()},
        "depths": {name: DEPTHS[name] for name in found},
        "seeds": arguments.seeds,
        "cpu_minutes": round(_seconds(arguments.output) / 60, 1),
    }
    record("label_value", figures, seed=SEED)
    for row in figures["pooled"]:
        print(row)


class LabelValue(Trial):
    """One collection; what was measured stays in `folder`."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(own_domain_config(name, folder, steps=1))
        self.folder, self.name = folder, name
        self.training, self.test = _dealt(name)
        run = pl.concat(
            of_queries(self.pools.first_stage, queries).filter(pl.col("rank") <= depths[name])
            for queries, depths in ((self.training, _TRAINING_DEPTHS), (self.test, DEPTHS))
        )
        self.value_pools = ValuePools(name, folder, self.collected, run)
        self.grades = {
            (query, doc): self.config.scale.gain(grade)
            for query, doc, grade in self.collected.human.select("query_id", "doc_id", "grade").iter_rows()
        }

    def values(self, ks: Sequence[int], seeds: int) -> dict[tuple[int, str], Floats]:
        """Return NDCG@10 of each arm, shape [seeds, test queries], by k and arm; k is -1 where no label is drawn."""
        found = {}
        for k, arm in [(-1, COSINE), (-1, READY), (-1, ALL), *product(ks, (HUMAN, JUDGED, WRITTEN, BOTH))]:
            drawn = seeds if k > 0 else 1
            each = [self._kept(k, arm, seed) for seed in range(drawn)]
            found[k, arm] = np.array(each * (seeds // drawn))
            print(f"{self.name}, k {k}, {arm}: {found[k, arm].mean():.4f}", flush=True)
        return found

    def _kept(self, k: int, arm: str, seed: int) -> list[float]:
        path = self.folder / "values" / f"{k}-{arm.replace(' ', '-')}-{seed}.json"
        values: list[float] = kept_figures(path, lambda: self._measured(k, arm, seed))["values"]
        return values

    def ndcg(self, scored: Mapping[str, Floats]) -> Floats:
        """Return NDCG@10 of each scored query, in the order of ids."""
        run = pl.concat(
            self.value_pools.runs[query].with_columns(score=pl.Series(scores)) for query, scores in scored.items()
        ).sort("query_id", "score", "rank", descending=[False, True, False])
        ranked = run.with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))
        return query_values(of_queries(self.collected.human, scored), ranked, [MEASURE])[MEASURE]

    def gains(self, query: str) -> Floats:
        """Return the gain of each candidate of a query, 0 where nobody graded it."""
        return np.array([self.grades.get((query, doc_id), 0.0) for doc_id in self.value_pools.runs[query]["doc_id"]])

    def _measured(self, k: int, arm: str, seed: int) -> dict[str, Any]:
        started = time.process_time()
        values = self.ndcg(self._scores(k, arm, seed)).tolist()
        return {"values": values, "cpu_seconds": time.process_time() - started}

    def _scores(self, k: int, arm: str, seed: int) -> dict[str, Floats]:
        pools = self.value_pools.candidates
        if arm == COSINE:
            return {query: pools[query].features[:, 1] for query in self.test}
        targets = self._targets(k, arm, seed)
        if not any(target.gains.any() for target in targets):
            return {query: pools[query].features[:, 0] for query in self.test}
        student = Adapter.fit(targets)
        return {query: student.scores(pools[query]) for query in self.test}

    def _targets(self, k: int, arm: str, seed: int) -> list[Target]:
        if arm == READY:
            return []
        draw = random.Random(seed)  # noqa: S311 - a seeded draw, not a secret
        known = self.training if arm == ALL else draw.sample(self.training, k)
        pools = self.value_pools.candidates
        targets = [Target(pools[query], self.gains(query)) for query in known]
        if arm in (JUDGED, BOTH):
            rest = [query for query in self.training if query not in set(known)]
            judge = Adapter.fit(targets) if targets else None
            targets += [Target(pools[query], _judged(pools[query], judge), JUDGED_WEIGHT) for query in rest]
        if arm in (WRITTEN, BOTH):
            targets += self.value_pools.written(_WRITTEN_WEIGHT)
        return targets


def _seconds(output: Path) -> float:
    """What training and ranking took, texts encoded before."""
    kept = (json.loads(path.read_text("utf-8")) for path in output.glob("*/values/*.json"))
    return float(sum(each["cpu_seconds"] for each in kept))


def _judged(candidates: Candidates, judge: Adapter | None) -> Floats:
    """A judge's softmax over a pool, soft labels that keep its doubt; the ready reranker's where no other learnt."""
    return soft_labels(START * candidates.features[:, 0] if judge is None else judge.scores(candidates))


def soft_labels(scores: Floats) -> Floats:
    """Return gains by the softmax of a student's scores, twice as sharp as the student's own; the best one has 1."""
    return np.asarray(np.exp((scores - scores.max()) / _TEMPERATURE))


def _dealt(name: str) -> tuple[list[str], list[str]]:
    """Training and test queries; those that ask for one document stay together where the collection says so."""
    own = OWN[name]
    if own.training:
        train, test = (shuffled(set(_qrels(name, each)["query_id"])) for each in (own.training, own.qrels))
        return train[:_SCIFACT_TRAINING], test[:_SCIFACT_TEST]
    by = "doc_id" if own.dealt_by == "document" else "query_id"
    asked = _qrels(name, own.qrels).group_by(by).agg(asked=pl.col("query_id").unique().sort())["asked"].to_list()
    together = shuffled(asked)
    return [query for each in together[1::2] for query in each], [query for each in together[0::2] for query in each]


def _qrels(name: str, file: str) -> pl.DataFrame:
    return read_qrels(COLLECTIONS / name / file, None)


if __name__ == "__main__":
    main()
