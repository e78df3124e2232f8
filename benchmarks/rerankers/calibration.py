"""Whether the ready reranker's P(relevant) is a probability: calibrated on one collection, measured on others.

`python -m benchmarks.rerankers.calibration [--scores runs/calibration] [--write]` reranks BM25's top 100 as `transfer`
does, and keeps the scores, so that a cut run goes on. The calibration that the bundle had from its export, on the
judged pairs of 16 queries without first-stage scores, is compared with one fitted on FITTED's pools as they are
reranked; both are measured on HELD_OUT. `--write` puts the latter into the ready bundle. It is linear in the logits, as
interpolation is, so that no order changes. On TREC collections unjudged documents are left out; the others are judged
completely. Needs RELSEARCH_COLLECTIONS. Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS
from benchmarks.record import record
from benchmarks.rerankers.transfer import first_stage
from relsearch.core.display.text_table import table
from relsearch.data.collection import FolderCollection, texts_of
from relsearch.data.trec import read_qrels
from relsearch.rerank.bundle import SHIPPED, open_bundle, seal
from relsearch.rerank.reranker import Reranker
from relsearch.stats.logistic import Logistic, log_odds

Floats = NDArray[np.float64]
FITTED, HELD_OUT = "trec-dl-2021", ("trec-dl-2019", "vaswani", "scifact", "cranfield")
EXPORTED = Logistic(slope=2.1035149925290026, intercept=-1.2365550650011405)  # what the bundle's export fitted
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
    "scifact": Source("qrels_validation.tsv", 1, complete=True, queries=6),
    "cranfield": Source("qrels.tsv", 2, complete=True, queries=10),  # 1 is of minimum interest
}


def main() -> None:
    """Score what has no scores yet, fit, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, default=Path("runs/calibration"))
    parser.add_argument("--write", action="store_true", help="put the calibration into the ready bundle")
    arguments = parser.parse_args()
    pools = {name: scored(name, arguments.scores / f"{name}.parquet") for name in (FITTED, *HELD_OUT)}
    judged = pools[FITTED].drop_nulls("relevant")
    fitted = Logistic.fit(judged["logit"].to_numpy(), judged["relevant"].to_numpy())
    maps = {"exported": EXPORTED, "fitted": fitted}
    found = {name: {kind: measured(pool, each) for kind, each in maps.items()} for name, pool in pools.items()}
    rows = [
        [name, kind, *(f"{each[key]:.3f}" for key in _SHOWN)]
        for name, of_kind in found.items()
        for kind, each in of_kind.items()
    ]
    print(table(["collection", "calibration", *_SHOWN], rows, width=None))
    queries = {name: each["query_id"].n_unique() for name, each in pools.items()}
    about = {"calibration": fitted.model_dump(), "fitted_on": FITTED, "held_out": HELD_OUT, "queries": queries}
    record("calibration", {**about, "collections": found}, seed=SEED)
    if arguments.write:
        seal(SHIPPED, open_bundle(SHIPPED).manifest.model_copy(update={"calibration": fitted}))


def scored(name: str, path: Path) -> pl.DataFrame:
    """Return the interpolated logits of a collection's pools before calibration, and what people said, if anything."""
    source, collection = SOURCES[name], FolderCollection(COLLECTIONS / name, trec=False)
    qrels = read_qrels(COLLECTIONS / name / source.qrels, None)
    wanted = sorted(set(qrels["query_id"]))
    random.Random(SEED).shuffle(wanted)  # noqa: S311 - not for secrets
    known = pl.read_parquet(path) if path.is_file() else pl.DataFrame(schema=_SCHEMA)
    left = [query for query in wanted[: source.queries] if query not in set(known["query_id"])]
    if left:
        run, calibration = first_stage(name, collection, set(left)), open_bundle("ready").manifest.calibration
        reranker = Reranker("ready", cached_documents=run["doc_id"].n_unique())
        queries, texts = texts_of(run, collection, reranker.template)
        grades = {(query, doc): grade for query, doc, grade in qrels.select(_PAIR).iter_rows()}
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, query in enumerate(left, 1):
            pool = run.filter(pl.col("query_id") == query).sort("rank")
            ids = pool["doc_id"].to_list()
            scores = reranker.score_pool(queries[query], [texts[doc] for doc in ids], pool["score"].to_list())
            logits = (log_odds(scores) - calibration.intercept) / calibration.slope
            said = [grades.get((query, doc), 0 if source.complete else None) for doc in ids]
            relevant = [None if grade is None else grade >= source.level for grade in said]
            new = {"query_id": [query] * len(ids), "doc_id": ids, "logit": logits, "relevant": relevant}
            known = pl.concat([known, pl.DataFrame(new, schema=_SCHEMA)])
            if place % _QUERIES_AT_ONCE == 0 or place == len(left):
                known.write_parquet(path)
    return known.filter(pl.col("query_id").is_in(wanted[: source.queries]))


def measured(pools: pl.DataFrame, calibration: Logistic) -> dict[str, Any]:
    """Return how far P is from what people said of the judged candidates, and of each query's best one.

    `log_loss` is the cross-entropy, `error` the expected calibration error (Naeini et al. 2015): the mean gap between P
    and the share that is relevant, over bins of P.
    """
    ranked = pools.with_columns(p=pl.Series(calibration.probabilities(pools["logit"].to_numpy())))
    judged = ranked.drop_nulls("relevant")
    best = ranked.filter(pl.col("logit") == pl.col("logit").max().over("query_id")).drop_nulls("relevant")
    p, relevant = judged["p"].to_numpy(), judged["relevant"].to_numpy()
    bins = _bins(p, relevant)
    return {
        "log_loss": float(-np.mean(np.where(relevant, np.log(p), np.log1p(-p)))),
        "error": sum(each["pairs"] * abs(each["mean_p"] - each["share"]) for each in bins) / len(p),
        "mean_p": float(p.mean()),
        "share": float(relevant.mean()),
        "best_p": float(best["p"].to_numpy().mean()),
        "best_share": float(best["relevant"].to_numpy().mean()),
        "bins": bins,
    }


def _bins(p: Floats, relevant: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Candidates by P, in bins of 0.1."""
    places = np.minimum((p * _BINS).astype(int), _BINS - 1)
    return [
        {"pairs": int(of.sum()), "mean_p": float(p[of].mean()), "share": float(relevant[of].mean())}
        for of in (places == place for place in range(_BINS))
        if of.any()
    ]


if __name__ == "__main__":
    main()
