"""Whether the ready reranker's P(relevant) is a probability: calibrated on some collections, measured on others.

`python -m benchmarks.rerankers.calibration [--scores runs/calibration] [--write]` reranks BM25's top 100
as `transfer` does, and keeps the scores, so that a cut run goes on. Three maps from score to P are compared: that of
the bundle's training, the same refitted, and one of a score's place in its pool (relsearch.rerank.pool_calibration).
The last two are fitted on FITTED, and all measured on HELD_OUT. `--write` puts the last one into the ready bundle. On
TREC collections unjudged documents are left out; the others are judged completely. Needs RELSEARCH_COLLECTIONS.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS
from benchmarks.record import record
from benchmarks.rerankers.transfer import first_stage
from relsearch.core.text_table import table
from relsearch.data.collection import FolderCollection, texts_of
from relsearch.data.trec import read_qrels
from relsearch.rerank.bundle import SHIPPED, open_bundle, seal
from relsearch.rerank.pool_calibration import PoolCalibration
from relsearch.rerank.reranker import Reranker
from relsearch.stats.logistic import Logistic, log_odds

Floats = NDArray[np.float64]
FITTED, HELD_OUT = ("trec-dl-2021", "cranfield"), ("trec-dl-2019", "vaswani", "scifact")
WEIGHT = 4.0  # candidates that a typical pool counts for
_BINS = 10
_SCHEMA = {"query_id": pl.String, "doc_id": pl.String, "logit": pl.Float64, "relevant": pl.Boolean}
_QUERIES_AT_ONCE = 2
_PAIR = ("query_id", "doc_id", "grade")
_SHOWN = ("log_loss", "error", "mean_p", "share", "best_p", "best_share")


@dataclass(frozen=True, slots=True)
class Source:
    """A collection's qrels, the grade from which documents are relevant, whether all are judged, and the queries drawn.

    All queries of the TREC collections are taken; of the others as many as a core scores in some minutes.
    """

    qrels: str
    level: int
    complete: bool
    queries: int


SOURCES: Mapping[str, Source] = {
    "trec-dl-2021": Source("qrels.tsv", 2, complete=False, queries=53),
    "trec-dl-2019": Source("qrels.tsv", 2, complete=False, queries=43),
    "vaswani": Source("qrels.tsv", 1, complete=True, queries=12),
    "scifact": Source("qrels_validation.tsv", 1, complete=True, queries=8),
    "cranfield": Source("qrels.tsv", 2, complete=True, queries=10),  # 1 is of minimum interest
}
Map = Callable[[Floats], Floats]  # from a pool's logits to P(relevant)


def main() -> None:
    """Score what has no scores yet, fit, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, default=Path("runs/calibration"))
    parser.add_argument("--write", action="store_true", help="put the calibration into the ready bundle")
    arguments = parser.parse_args()
    pools = {name: scored(name, arguments.scores / f"{name}.parquet") for name in SOURCES}
    calibration, refitted = fit([pools[name] for name in FITTED])
    maps: dict[str, Map] = {
        "as trained": lambda logits: Logistic().probabilities(logits),
        "refitted": refitted.probabilities,
        "in its pool": lambda logits: calibration.link.probabilities(calibration.standardise(logits)),
    }
    found = {name: {kind: measured(pools[name], each) for kind, each in maps.items()} for name in pools}
    rows = [
        [name, "fitted" if name in FITTED else "held out", kind, *(f"{each[key]:.3f}" for key in _SHOWN)]
        for name, of_kind in found.items()
        for kind, each in of_kind.items()
    ]
    print(table(["collection", "", "P", *_SHOWN], rows, width=None))
    queries = {name: each["query_id"].n_unique() for name, each in pools.items()}
    about = {"calibration": calibration.model_dump(), "fitted": FITTED, "held_out": HELD_OUT, "queries": queries}
    record("calibration", {**about, "collections": found}, seed=SEED)
    if arguments.write:
        seal(SHIPPED, open_bundle(SHIPPED).manifest.model_copy(update={"pool_calibration": calibration}))


def scored(name: str, path: Path) -> pl.DataFrame:
    """Return the interpolated logits of a collection's pools, and what people said of them, null for nothing."""
    source, collection = SOURCES[name], FolderCollection(COLLECTIONS / name, trec=False)
    qrels = read_qrels(COLLECTIONS / name / source.qrels, None)
    wanted = sorted(set(qrels["query_id"]))
    random.Random(SEED).shuffle(wanted)  # noqa: S311 - not for secrets
    known = pl.read_parquet(path) if path.is_file() else pl.DataFrame(schema=_SCHEMA)
    left = [query for query in wanted[: source.queries] if query not in set(known["query_id"])]
    if left:
        run = first_stage(name, collection, set(left))
        reranker = replace(Reranker.open("ready", cached_documents=run["doc_id"].n_unique()), calibration=None)
        queries, texts = texts_of(run, collection, reranker.template)
        grades = {(query, doc): grade for query, doc, grade in qrels.select(_PAIR).iter_rows()}
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, query in enumerate(left, 1):
            pool = run.filter(pl.col("query_id") == query).sort("rank")
            ids = pool["doc_id"].to_list()
            scores = reranker.score_pool(queries[query], [texts[doc] for doc in ids], pool["score"].to_list())
            said = [grades.get((query, doc), 0 if source.complete else None) for doc in ids]
            relevant = [None if grade is None else grade >= source.level for grade in said]
            new = {"query_id": [query] * len(ids), "doc_id": ids, "logit": log_odds(scores), "relevant": relevant}
            known = pl.concat([known, pl.DataFrame(new, schema=_SCHEMA)])
            if place % _QUERIES_AT_ONCE == 0 or place == len(left):
                known.write_parquet(path)
    return known.filter(pl.col("query_id").is_in(wanted[: source.queries]))


def fit(pools: list[pl.DataFrame]) -> tuple[PoolCalibration, Logistic]:
    """Return the calibration of a score's place in its pool, and that of the score alone; collections weigh alike."""
    logits, places, relevant, weights = [], [], [], []
    spread = pl.concat(pools).group_by("query_id").agg(mean=pl.col("logit").mean(), deviation=pl.col("logit").std())
    typical = PoolCalibration(
        link=Logistic(), mean=_mean(spread["mean"]), deviation=_mean(spread["deviation"]), weight=WEIGHT
    )
    for collection in pools:
        each, place, said = _judged(collection, typical.standardise)
        logits.append(each)
        places.append(place)
        relevant.append(said)
        weights.append(np.full(len(said), 1 / len(said)))
    target, weight = np.concatenate(relevant), np.concatenate(weights)
    link = Logistic.fit(np.concatenate(places), target, weights=weight)
    alone = Logistic.fit(np.concatenate(logits), target, weights=weight)
    return typical.model_copy(update={"link": link}), alone


def measured(pools: pl.DataFrame, to_p: Map) -> dict[str, Any]:
    """Return how far P is from what people said: cross-entropy, calibration error, and the same of the best alone."""
    _, p, relevant = _judged(pools, to_p)
    best, found = _best(pools, to_p)
    return {
        "log_loss": float(-np.mean(np.where(relevant, np.log(p), np.log1p(-p)))),
        "error": _error(p, relevant),
        "mean_p": float(p.mean()),
        "share": float(relevant.mean()),
        "best_p": float(best.mean()),
        "best_share": float(found.mean()),
        "bins": _bins(p, relevant),
    }


def _judged(pools: pl.DataFrame, to_p: Map) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Logit, mapped value and label of each judged candidate; the map sees the whole pool."""
    logits, mapped, relevant = [], [], []
    for _, pool in pools.group_by("query_id", maintain_order=True):
        known = pool["relevant"].is_not_null().to_numpy()
        own = pool["logit"].to_numpy()
        logits.append(own[known])
        mapped.append(to_p(own)[known])
        relevant.append(pool["relevant"].drop_nulls().to_numpy())
    return np.concatenate(logits), np.concatenate(mapped), np.concatenate(relevant)


def _best(pools: pl.DataFrame, to_p: Map) -> tuple[Floats, NDArray[np.bool_]]:
    """P and label of each query's best candidate, where it is judged."""
    best, relevant = [], []
    for _, pool in pools.group_by("query_id", maintain_order=True):
        place = int(pool["logit"].to_numpy().argmax())
        if pool["relevant"][place] is not None:
            best.append(to_p(pool["logit"].to_numpy())[place])
            relevant.append(pool["relevant"][place])
    return np.array(best), np.array(relevant)


def _bins(p: Floats, relevant: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Candidates by P, in bins of 0.1."""
    places = np.minimum((p * _BINS).astype(int), _BINS - 1)
    return [
        {"pairs": int(of.sum()), "mean_p": float(p[of].mean()), "share": float(relevant[of].mean())}
        for of in (places == place for place in range(_BINS))
        if of.any()
    ]


def _error(p: Floats, relevant: NDArray[np.bool_]) -> float:
    """The expected calibration error: the mean gap between P and share over the bins (Naeini et al. 2015)."""
    return sum(each["pairs"] * abs(each["mean_p"] - each["share"]) for each in _bins(p, relevant)) / len(p)


def _mean(values: pl.Series) -> float:
    return float(values.to_numpy().mean())


if __name__ == "__main__":
    main()
