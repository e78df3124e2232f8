"""Orders in which people could grade the pairs of pools; a budget of n grades takes the first n."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.rerankers.label_value.adapter import Candidates
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment
from relsearch.labels.review import pick

Floats = NDArray[np.float64]
Places = Mapping[str, NDArray[np.int64]]  # of each query, places in its pool in the order of grading
Order = list[tuple[str, int]]  # query and place in its pool
RANDOM = "random queries, 10 random documents"
UNSURE = "unsure pairs"
RANKED = "unsure pairs, high in BM25's run first"  # `relsearch review --run`
JUDGED = "unsure pairs, high in the reranker's run first"  # the same without a run: the judge is the reranker
# The judge is `reranker:ready`: a fifth of a pool is relevant, and a standard deviation of scores is 2 logits.
_SLOPE, _THRESHOLD = 2.0, NormalDist().inv_cdf(1 - 0.2)


@dataclass(frozen=True)
class Pool:
    """A query's candidates: the first stage's rows in its order, and what the ready reranker knows of them."""

    run: pl.DataFrame
    candidates: Candidates

    @property
    def ready(self) -> NDArray[np.int64]:
        """The places in the ready reranker's order."""
        return np.argsort(-self.candidates.features[:, 0], kind="stable")

    @property
    def relevant(self) -> Floats:
        """The judge's P(relevant) of each place."""
        logits = _SLOPE * (self.candidates.features[:, 0] - _THRESHOLD)
        return np.asarray(1 / (1 + np.exp(-logits)))


def orders(pools: Mapping[str, Pool], rng: np.random.Generator) -> dict[str, Callable[[], Order]]:
    """Return what makes each order of all pairs, by name; `rng` draws where one is random."""
    first = {query: np.arange(pool.run.height) for query, pool in pools.items()}
    ready = {query: pool.ready for query, pool in pools.items()}
    random = {query: rng.permutation(places) for query, places in first.items()}
    unsure = {query: np.argsort(np.abs(pool.relevant - 0.5), kind="stable") for query, pool in pools.items()}
    drawn: list[str] = rng.permutation(sorted(pools)).tolist()
    apart = [drawn[place] for place in _diverse(np.stack([pools[query].candidates.query for query in drawn]))]
    return {
        **{f"random queries, BM25's first {each}": partial(in_blocks, drawn, first, each) for each in (3, 10)},
        **{f"random queries, the reranker's first {each}": partial(in_blocks, drawn, ready, each) for each in (3, 10)},
        RANDOM: partial(in_blocks, drawn, random, 10),
        "random queries, 10 unsure documents": partial(in_blocks, drawn, unsure, 10),
        "diverse queries, the reranker's first 3": partial(in_blocks, apart, ready, 3),
        UNSURE: partial(by_value, {query: _entropy(pool.relevant) for query, pool in pools.items()}),
        RANKED: partial(reviewed, pools, with_run=True),
        JUDGED: partial(reviewed, pools, with_run=False),
        "expected change of NDCG": partial(by_value, {query: _change(pool) for query, pool in pools.items()}),
    }


def in_blocks(queries: Sequence[str], places: Places, each: int) -> Order:
    """Return the first `each` documents of one query after the other, then the next of each, and so on."""
    longest = max(len(places[query]) for query in queries)
    return [
        (query, int(place))
        for start in range(0, longest, each)
        for query in queries
        for place in places[query][start : start + each]
    ]


def by_value(values: Mapping[str, Floats]) -> Order:
    """Return the pairs of largest value first; as in `review`, a query's k-th pair counts for 1/k."""
    valued = []
    for query, each in values.items():
        best = np.argsort(-each, kind="stable")
        valued += [(-each[place] / turn, query, int(place)) for turn, place in enumerate(best, 1)]
    return [(query, place) for _, query, place in sorted(valued)]


def _entropy(relevant: Floats) -> Floats:
    return np.asarray(-relevant * np.log(relevant) - (1 - relevant) * np.log(1 - relevant))


def _change(pool: Pool) -> Floats:
    """The variance of a pair's relevance times its weight in NDCG: its discount over the best order's expected DCG."""
    relevant, size = pool.relevant, pool.run.height
    discounts = 1 / np.log2(np.arange(2, size + 2))
    weights = np.empty(size)
    weights[pool.ready] = discounts / (np.sort(relevant)[::-1] * discounts).sum()
    return np.asarray(relevant * (1 - relevant) * weights)


def _diverse(vectors: NDArray[np.float32]) -> list[int]:
    """The rows: first the first, then always the one farthest from all before by cosine (Gonzalez 1985)."""
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen, likeness = [0], rows @ rows[0]
    while len(chosen) < len(rows):
        likeness[chosen] = np.inf
        chosen.append(int(likeness.argmin()))
        likeness = np.maximum(likeness, rows @ rows[chosen[-1]])
    return chosen


def reviewed(pools: Mapping[str, Pool], *, with_run: bool) -> Order:
    """Return the order of `relsearch review` with and without BM25's run."""
    judged = judgments_table(
        Judgment(query, doc_id, int(p > 0.5), "judge", "reranker:ready", (1 - p, p), p, max(p, 1 - p))
        for query, pool in pools.items()
        for doc_id, p in zip(pool.run["doc_id"], pool.relevant.tolist(), strict=True)
    )
    run = pl.concat(pool.run for pool in pools.values()) if with_run else None
    picked = pick(judged, human=judgments_table([]), pool=run, count=judged.height)
    places = {
        query: {doc_id: place for place, doc_id in enumerate(pool.run["doc_id"])} for query, pool in pools.items()
    }
    return [(query, places[query][doc_id]) for query, doc_id in picked.select("query_id", "doc_id").iter_rows()]
