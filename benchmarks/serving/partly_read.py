"""How to order a window of which only some hits were read: NDCG@10 of each way, by how many were.

`python -m benchmarks.serving.partly_read [--vectors FOLDER] [--queries 120] [--collections NAME ...]` takes BM25's
first 100 for the first queries of scifact and cranfield and scores the first 50 with the ready bundle. Then 5, 10, 20
or 50 count as read: the first ones, as by a gateway that has read nothing, or the first half of them and as many here
and there, as by one that met some documents in earlier searches. The figures are those of every other query of scifact
and cranfield, beginning with the second, and of all queries of the others. How the engine's scores weigh was chosen on
all of these (benchmarks.rerankers.reads). Needs RELSEARCH_COLLECTIONS. Its table is in benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.folders import COLLECTIONS
from benchmarks.record import record, recorded
from relsearch.core.display.text_table import table
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Query
from relsearch.data.collection import Collection, load_collection
from relsearch.data.trec import read_run
from relsearch.index import embedded
from relsearch.index.engine.vector_index import open_vectors
from relsearch.measure.query_values import query_values
from relsearch.rerank.abilities import ReadsDocuments
from relsearch.rerank.partly import placed
from relsearch.rerank.reranker import Reranker
from relsearch.stats.logistic import log_odds

DEPTH, SCORED = 100, 50
READ = (5, 10, 20, 50)
HALVED = ("scifact", "cranfield")  # of which every other query is taken
ALL = (*HALVED, "vaswani", "trec-dl-2019")
SEED = 1
_QRELS = {"query_id": pl.String, "doc_id": pl.String, "grade": pl.Int64}
_RUN = {"query_id": pl.String, "doc_id": pl.String, "rank": pl.Int64, "score": pl.Float64, "searcher": pl.String}
# From the scores of the places that were read and the engine's scores of all: the places, best first.
Way = Callable[[Mapping[int, float], Sequence[float]], list[int]]


def among_themselves(read: Mapping[int, float], stage: Sequence[float]) -> list[int]:
    """What was read trades places, all else keeps its own: the gateway's way."""
    return [each.place for each in placed(read, range(len(stage)))]


def on_top(read: Mapping[int, float], stage: Sequence[float]) -> list[int]:
    """What was read comes first."""
    best = sorted(read, key=lambda place: (-read[place], place))
    return [*best, *(place for place in range(len(stage)) if place not in read)]


def expected(read: Mapping[int, float], stage: Sequence[float]) -> list[int]:
    """What was not read counts as the engine's score predicts, by ridge regression on what was."""
    places = sorted(read)
    logits = log_odds([read[place] for place in places])
    scores = np.asarray(stage)
    standard = (scores - scores.mean()) / (scores.std() or 1.0)
    centred = standard[places] - standard[places].mean()
    slope = max(float(centred @ (logits - logits.mean()) / (centred @ centred + 5.0)), 0.0)
    values = logits.mean() + slope * (standard - standard[places].mean())
    values[places] = logits
    return sorted(range(len(stage)), key=lambda place: (-values[place], place))


# Of each: the way, and whether the engine's scores weigh more, the fewer were read.
WAYS: Mapping[str, tuple[Way, bool]] = {
    "gateway": (among_themselves, True),
    "bundle's mix": (among_themselves, False),
    "on top": (on_top, True),
    "expected": (expected, True),
}


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="a folder that keeps what was read for the next run")
    parser.add_argument("--queries", type=int, default=120, help="of each collection")
    parser.add_argument("--collections", nargs="+", choices=ALL, default=ALL, help="the others' figures are kept")
    options = parser.parse_args()
    reranker = Reranker("ready", vectors=open_vectors(options.vectors, create=True))
    measured = {
        name: _measured(name, reranker, slice(1, options.queries, 2) if name in HALVED else slice(None))
        for name in options.collections
    }
    for name, found in measured.items():
        rows = [[read, *(f"{value:.4f}" for value in values.values())] for read, values in found["ndcg10"].items()]
        print(f"{name}, BM25 {found['ndcg10_engine']:.4f}", table(["read", *WAYS], rows), sep="\n")
    known = (recorded("partly_read") or {"collections": {}})["collections"] | measured
    figures = {name: known[name] for name in ALL if name in known}
    record("partly_read", {"collections": figures, "depth": DEPTH}, seed=SEED)


def _measured(name: str, reranker: Reranker, chosen: slice) -> dict[str, Any]:
    collection = load_collection(str(COLLECTIONS / name))
    grades = [(label.query_id, label.doc_id, label.grade) for label in collection.qrels()]
    labelled = {query_id for query_id, _, _ in grades}
    queries = [query for query in collection.queries() if query.query_id in labelled][chosen]
    qrels = pl.DataFrame(grades, schema=_QRELS, orient="row").filter(
        pl.col("query_id").is_in([query.query_id for query in queries])
    )
    texts = {document.doc_id: reranker.render(document.fields) for document in collection.documents()}
    pools = _pools(COLLECTIONS / name, collection, queries, reranker.template)
    own = {
        query.query_id: reranker.scorer.score(
            query.text, [texts[doc_id] for doc_id, _ in pools[query.query_id][:SCORED]]
        )
        for query in queries
        if query.query_id in pools
    }
    if isinstance(reranker.scorer, ReadsDocuments):
        reranker.scorer.save(list({texts[doc_id] for pool in pools.values() for doc_id, _ in pool[:SCORED]}))
    text_of = {query.query_id: query.text for query in queries}

    def ranked(way: Way, adapted: bool, places_of: Callable[[int], list[int]]) -> float:
        orders = {}
        for query_id, pool in pools.items():
            places = places_of(len(pool))
            weights = reranker.interpolation
            weights = weights.partly_read(len(places) / len(pool)) if adapted else weights
            scores = replace(reranker, interpolation=weights).combine(
                text_of[query_id],
                [texts[pool[place][0]] for place in places],
                [own[query_id][place] for place in places],
                [pool[place][1] for place in places],
            )
            order = way(dict(zip(places, scores, strict=True)), [score for _, score in pool])
            orders[query_id] = [pool[place][0] for place in order]
        return _ndcg10(orders, qrels)

    found: dict[str, dict[str, float]] = {}
    for number in READ:
        first = _first(number)
        found[f"first {number}"] = {label: ranked(*way, first) for label, way in WAYS.items()}
        if number < SCORED:
            found[f"{number} here and there"] = {label: ranked(*way, _scattered(number)) for label, way in WAYS.items()}
    engines_own = {query_id: [doc_id for doc_id, _ in pool] for query_id, pool in pools.items()}
    return {"queries": len(queries), "ndcg10_engine": _ndcg10(engines_own, qrels), "ndcg10": found}


def _pools(
    folder: Path, collection: Collection, queries: Sequence[Query], template: str
) -> dict[str, list[tuple[str, float]]]:
    """Return BM25's first documents of each query and their scores: those of its own run, or of an index built here."""
    pools: dict[str, list[tuple[str, float]]] = {}
    own = folder / "runs" / "bm25.trec"
    if own.is_file():
        wanted = [query.query_id for query in queries]
        run = read_run(own).filter(pl.col("query_id").is_in(wanted), pl.col("rank") <= DEPTH).sort("query_id", "rank")
        for query_id, doc_id, score in run.select("query_id", "doc_id", "score").iter_rows():
            pools.setdefault(query_id, []).append((doc_id, score))
        return pools
    with tempfile.TemporaryDirectory() as index:
        searcher = embedded.build(collection.documents(), Path(index), index=IndexConfig(), template=template)
        for each in searcher.search(queries, DEPTH):
            pools.setdefault(each.query_id, []).append((each.doc_id, each.score))
    return pools


def _first(number: int) -> Callable[[int], list[int]]:
    return lambda size: list(range(min(number, size)))


def _scattered(number: int) -> Callable[[int], list[int]]:
    chance = np.random.default_rng(SEED)

    def places(size: int) -> list[int]:
        head, most = number // 2, min(size, SCORED)
        if most <= number:
            return list(range(most))
        drawn = chance.choice(np.arange(head, most), number - head, replace=False)
        return [*range(head), *sorted(drawn.tolist())]

    return places


def _ndcg10(orders: Mapping[str, Sequence[str]], qrels: pl.DataFrame) -> float:
    rows = [
        (query_id, doc_id, rank, 1 / rank, "bm25")
        for query_id, doc_ids in orders.items()
        for rank, doc_id in enumerate(doc_ids, 1)
    ]
    values = query_values(qrels, pl.DataFrame(rows, schema=_RUN, orient="row"), ["nDCG@10"])["nDCG@10"]
    return round(float(values.mean()), 4)


if __name__ == "__main__":
    main()
