"""Reordering a run with a reranker; nothing is lost, and what lies below the depth keeps its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from relsearch import tables
from relsearch.errors import DataError
from relsearch.protocols import Scorer

_Row = tuple[str, str, int, float, str]


def rerank_run(
    run: pl.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str], scorer: Scorer, *, depth: int
) -> pl.DataFrame:
    """Return the run with the first `depth` documents of each query in the scorer's order.

    Ties keep the first stage's rank, then doc_id. Documents below the depth follow in their order, with
    scores that go on falling below the lowest reranked one. Raise DataError where a text is missing.
    """
    ordered = run.sort("query_id", "rank", "doc_id")
    rows = [
        row
        for (query_id,), candidates in ordered.group_by("query_id", maintain_order=True)
        for row in _rerank(str(query_id), candidates["doc_id"].to_list(), queries, documents, scorer, depth=depth)
    ]
    return pl.DataFrame(rows, schema=dict(tables.CANDIDATES), orient="row")


def _rerank(
    query_id: str,
    doc_ids: list[str],
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    scorer: Scorer,
    *,
    depth: int,
) -> Iterator[_Row]:
    head, tail = doc_ids[:depth], doc_ids[depth:]
    missing = [doc_id for doc_id in head if doc_id not in documents]
    if query_id not in queries:
        raise DataError(f"run: query {query_id!r} has no text; pass the collection that the run was made on")
    if missing:
        raise DataError(f"run: query {query_id!r}: document {missing[0]!r} has no text; pass the run's collection")
    scores = scorer.score(queries[query_id], [documents[doc_id] for doc_id in head])
    best_first = sorted(range(len(head)), key=lambda place: (-scores[place], place))
    lowest = min(scores, default=1.0)
    placed = [(head[place], scores[place]) for place in best_first]
    placed += [(doc_id, lowest / (2 + place)) for place, doc_id in enumerate(tail)]
    for rank, (doc_id, score) in enumerate(placed, start=1):
        yield query_id, doc_id, rank, score, "rerank"
