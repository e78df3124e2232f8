"""Reordering a run with a reranker; nothing is lost, and what lies below the depth keeps its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import polars as pl

from relsearch import tables
from relsearch.errors import DataError
from relsearch.protocols import Scorer
from relsearch.rerank.deadline import Reranked
from relsearch.rerank.mix import NOTHING, Mix, mixed_scores

_Row = tuple[str, str, int, float, str]
# From a query, its texts and their first-stage scores: the texts' places, best first, and scores in that order.
_Order = Callable[[str, list[str], list[float]], tuple[Sequence[int], Sequence[float]]]


class BudgetScorer(Protocol):
    """A scorer that reranks as many texts as fit into a time."""

    def rerank(self, query: str, texts: Sequence[str], *, budget_ms: float = 50) -> Reranked:
        """Return the order found within about `budget_ms`."""
        ...


def rerank_run(
    run: pl.DataFrame,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    scorer: Scorer,
    *,
    depth: int,
    mix: Mix = NOTHING,
) -> pl.DataFrame:
    """Return the run with the first `depth` documents of each query in the scorer's order.

    Ties keep the first stage's rank, then doc_id. Documents below the depth follow in their order, with
    scores that go on falling below the lowest reranked one. `mix` weighs what counts beside the
    scorer's own scores. Raise DataError where a text is missing.
    """

    def order(query: str, texts: list[str], first_stage: list[float]) -> tuple[Sequence[int], Sequence[float]]:
        scores = mixed_scores(scorer, query, texts, first_stage, mix)
        best_first = sorted(range(len(texts)), key=lambda place: (-scores[place], place))
        return best_first, [scores[place] for place in best_first]

    return _table(run, queries, documents, order, depth=depth)


def rerank_run_within(
    run: pl.DataFrame,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    scorer: BudgetScorer,
    *,
    depth: int,
    budget_ms: float,
) -> tuple[pl.DataFrame, float]:
    """Return the run reranked within `budget_ms` a query, and the mean number of documents that were reached."""
    reached: list[int] = []

    def order(query: str, texts: list[str], _: list[float]) -> tuple[Sequence[int], Sequence[float]]:
        found = scorer.rerank(query, texts, budget_ms=budget_ms)
        reached.append(found.reached)
        return found.order, found.scores

    return _table(run, queries, documents, order, depth=depth), sum(reached) / max(len(reached), 1)


def _table(
    run: pl.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str], order: _Order, *, depth: int
) -> pl.DataFrame:
    ordered = run.sort("query_id", "rank", "doc_id")
    rows = [
        row
        for (query_id,), candidates in ordered.group_by("query_id", maintain_order=True)
        for row in _rerank(str(query_id), candidates, queries, documents, order, depth=depth)
    ]
    return pl.DataFrame(rows, schema=dict(tables.CANDIDATES), orient="row")


def _rerank(
    query_id: str,
    candidates: pl.DataFrame,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    order: _Order,
    *,
    depth: int,
) -> Iterator[_Row]:
    doc_ids: list[str] = candidates["doc_id"].to_list()
    head, tail = doc_ids[:depth], doc_ids[depth:]
    missing = [doc_id for doc_id in head if doc_id not in documents]
    if query_id not in queries:
        raise DataError(f"run: query {query_id!r} has no text; pass the collection that the run was made on")
    if missing:
        raise DataError(f"run: query {query_id!r}: document {missing[0]!r} has no text; pass the run's collection")
    best_first, scores = order(
        queries[query_id], [documents[doc_id] for doc_id in head], candidates["score"][:depth].to_list()
    )
    lowest = min(scores, default=1.0)
    placed = [(head[place], score) for place, score in zip(best_first, scores, strict=True)]
    placed += [(doc_id, lowest / (2 + place)) for place, doc_id in enumerate(tail)]
    for rank, (doc_id, score) in enumerate(placed, start=1):
        yield query_id, doc_id, rank, score, "rerank"
