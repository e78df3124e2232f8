"""Reordering a run with a reranker; nothing is lost, and what lies below the depth keeps its order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice, takewhile

import polars as pl

from relsearch.cluster.same_model import check_same
from relsearch.core import tables
from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError, DataError
from relsearch.core.files.journal import Journal
from relsearch.core.files.key_index import digest
from relsearch.core.protocols import Work, Workers
from relsearch.rerank.partly import scores_below
from relsearch.rerank.reranker import Reranker

_Row = tuple[str, str, int, float, str]
_Pool = tuple[str, str, list[str], list[float]]  # key, query, texts, first-stage scores
_BLOCK = 20_000  # rows that are Python objects at once
_PAIRS = 256  # that a worker reranks at a time, of whole queries
_POOLS: dict[str, tables.Kind] = {
    "key": pl.String,
    "query": pl.String,
    "texts": pl.List(pl.String),
    "first_stage": pl.List(pl.Float64),
}
_ORDERS: dict[str, tables.Kind] = {
    "key": pl.String,
    "places": pl.List(pl.Int64),
    "scores": pl.List(pl.Float64),
}
# From a query, its texts and their first-stage scores: the texts' places, best first, and scores in that order.
_Order = Callable[[str, list[str], list[float]], tuple[Sequence[int], Sequence[float]]]


def rerank_run(
    run: pl.DataFrame,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    reranker: Reranker,
    *,
    depth: int,
    journal: Journal | None = None,
    about: str = "",
) -> pl.DataFrame:
    """Return the run with the first `depth` documents of each query in the reranker's order.

    Ties keep the first stage's rank, then doc_id. Documents below the depth follow in their order, with scores that go
    on decreasing below the lowest reranked one. Texts are looked up query by query. A `journal` gets each query's
    order, and what it has already, of the same reranker (`about`), candidates and texts, is not scored again. Raise
    DataError where a text is missing, ModelError where a score is NaN, ConfigError for a depth below 1.
    """
    order = partial(_best_first_of, reranker)
    if journal is None:
        return _table(run, queries, documents, order, depth=depth)
    return _table(run, queries, documents, _remembering(order, journal, about), depth=depth)


def rerank_on(
    workers: Workers,
    opening: Callable[[], tuple[Reranker, str]],
    run: pl.DataFrame,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    *,
    depth: int,
    journal: Journal,
    about: str,
) -> None:
    """Append to the journal the orders that it lacks, made on workers; rerank_run then scores nothing again.

    Each worker opens a reranker once, with what its scores are of, which must be `about`. Raise as rerank_run does,
    and ConfigError where a worker opens another reranker.
    """
    known = {row["key"] for row in journal.rows()}

    def missing() -> Iterator[_Pool]:
        for (query_id,), candidates in _by_query(run):
            pool = _pool(str(query_id), candidates.head(depth), queries, documents)
            if (key := _key(about, *pool)) not in known:
                known.add(key)
                yield key, *pool

    pools = missing()
    together = max(1, _PAIRS // depth)
    blocks = (pl.DataFrame(list(islice(pools, together)), schema=_POOLS, orient="row") for _ in count())
    for table in workers.map(partial(_opened, opening, about), takewhile(len, blocks)):
        for row in table.iter_rows(named=True):
            journal.append(row)


def _opened(opening: Callable[[], tuple[Reranker, str]], about: str) -> Work:
    """Open the reranker on a worker, and return what orders pools there."""
    reranker, here = opening()
    check_same("reranker", here, about)
    order = partial(_best_first_of, reranker)

    def work(table: pl.DataFrame) -> pl.DataFrame:
        found = [(key, *order(*pool)) for key, *pool in table.iter_rows()]
        return pl.DataFrame(found, schema=_ORDERS, orient="row")

    return work


def rerank_run_within(
    run: pl.DataFrame,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    reranker: Reranker,
    *,
    depth: int,
    budget_ms: float,
    weights_fixed: bool = False,
) -> tuple[pl.DataFrame, float]:
    """Return the run reranked within `budget_ms` a query, and the mean number of documents that were reached.

    The others keep their places; the first stage's scores weigh as Reranker.combine_read says. Raise ConfigError
    where the reranker cannot stop in time, or has a cascade, or for a depth below 1.
    """
    reached: list[int] = []

    def order(query: str, texts: list[str], first_stage: list[float]) -> tuple[Sequence[int], Sequence[float]]:
        found = reranker.place_within(query, texts, first_stage, budget_ms=budget_ms, weights_fixed=weights_fixed)
        reached.append(len(found.read))
        return [each.place for each in found.order], [each.score for each in found.order]

    return _table(run, queries, documents, order, depth=depth), sum(reached) / max(len(reached), 1)


def _best_first_of(
    reranker: Reranker, query: str, texts: list[str], first_stage: list[float]
) -> tuple[list[int], list[float]]:
    """The texts' places by descending score, equal ones by place, and the scores in that order."""
    scores = enumerate(reranker.score_pool(query, texts, first_stage))
    ordered = sorted(scores, key=lambda each: (-each[1], each[0]))
    return [place for place, _ in ordered], [score for _, score in ordered]


def _key(about: str, query: str, texts: list[str], first_stage: list[float]) -> str:
    """What an order is found by in the journal."""
    return digest(json.dumps([about, query, texts, first_stage])).hex()


def _remembering(order: _Order, journal: Journal, about: str) -> _Order:
    """The same order, which is looked up in the journal and written there."""
    known = {row["key"]: (row["places"], row["scores"]) for row in journal.rows()}

    def remembered(query: str, texts: list[str], first_stage: list[float]) -> tuple[Sequence[int], Sequence[float]]:
        key = _key(about, query, texts, first_stage)
        if (found := known.get(key)) is None:
            places, scores = order(query, texts, first_stage)
            found = list(places), list(scores)
            journal.append({"key": key, "places": found[0], "scores": found[1]})
        return found

    return remembered


def _table(
    run: pl.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str], order: _Order, *, depth: int
) -> pl.DataFrame:
    if depth < 1:
        raise ConfigError(f"depth {depth}: give 1 or more")
    blocks: list[pl.DataFrame] = []
    rows: list[_Row] = []
    groups = progress(_by_query(run), desc="rerank", unit="query", total=run["query_id"].n_unique())
    for (query_id,), candidates in groups:
        rows += _rerank(str(query_id), candidates, queries, documents, order, depth=depth)
        if len(rows) >= _BLOCK:
            blocks.append(_block(rows))
            rows = []
    return pl.concat([*blocks, _block(rows)])


def _by_query(run: pl.DataFrame) -> Iterable[tuple[tuple[object, ...], pl.DataFrame]]:
    return run.sort("query_id", "rank", "doc_id").group_by("query_id", maintain_order=True)


def _block(rows: list[_Row]) -> pl.DataFrame:
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
    best_first, scores = order(*_pool(query_id, candidates.head(depth), queries, documents))
    placed = [(head[place], score) for place, score in zip(best_first, scores, strict=True)]
    placed += zip(tail, scores_below(min(scores, default=1.0), len(tail)), strict=True)
    for rank, (doc_id, score) in enumerate(placed, start=1):
        yield query_id, doc_id, rank, score, "rerank"


def _pool(
    query_id: str, head: pl.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str]
) -> tuple[str, list[str], list[float]]:
    """A query, the texts of its candidates and their first-stage scores; raise DataError where a text is missing."""
    if query_id not in queries:
        raise DataError(f"run: query {query_id!r} has no text in the collection; pass the run's own")
    try:
        texts = [documents[doc_id] for doc_id in head["doc_id"]]
    except KeyError as exc:
        what = f"document {exc.args[0]!r}"
        raise DataError(f"run: query {query_id!r}: {what} has no text in the collection; pass the run's own") from exc
    return queries[query_id], texts, head["score"].to_list()
