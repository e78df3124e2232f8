"""A query with its candidate documents: the unit that a judge labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relsearch.core.types import Pair

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class QueryPool:
    """One query and its documents, rendered to the text that is judged; `doc_ids` and `texts` have one entry each."""

    query_id: str
    query: str
    doc_ids: tuple[str, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.doc_ids)

    def pairs(self) -> list[Pair]:
        """Return the query with each document, in their order."""
        return [
            Pair(self.query_id, doc_id, self.query, text) for doc_id, text in zip(self.doc_ids, self.texts, strict=True)
        ]

    def part(self, rows: Sequence[int]) -> QueryPool:
        """Return the pool of these rows alone, in the order of `rows`."""
        doc_ids, texts = (tuple(column[row] for row in rows) for column in (self.doc_ids, self.texts))
        return QueryPool(self.query_id, self.query, doc_ids, texts)


def pools_of(pairs: Sequence[Pair]) -> list[QueryPool]:
    """Return the pairs grouped by query: queries in the order of their first pair, documents in the pairs' order."""
    return [_pool([pairs[row] for row in rows]) for rows in rows_by_query(pairs)]


def in_batches(pools: Iterable[QueryPool], pairs: int) -> Iterator[list[QueryPool]]:
    """Yield whole pools in batches of at least so many pairs; the last one may have fewer."""
    batch: list[QueryPool] = []
    size = 0
    for pool in pools:
        batch.append(pool)
        size += len(pool)
        if size >= pairs:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def pools_of_run(run: pl.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str]) -> Iterator[QueryPool]:
    """Yield the pool of each query of a run that is sorted by query; texts are looked up pool by pool."""
    for (query_id,), rows in run.group_by("query_id", maintain_order=True):
        doc_ids = tuple(rows["doc_id"])
        yield QueryPool(str(query_id), queries[str(query_id)], doc_ids, tuple(documents[each] for each in doc_ids))


def pairs_of(pools: Iterable[QueryPool]) -> list[Pair]:
    """Return the pairs of all pools, pool by pool."""
    return [pair for pool in pools for pair in pool.pairs()]


def rows_by_query(pairs: Sequence[Pair]) -> list[list[int]]:
    """Return the rows of each query's pairs, in the order in which pools_of groups them."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(pairs):
        groups.setdefault((pair.query_id, pair.query), []).append(row)
    return list(groups.values())


def _pool(pairs: Sequence[Pair]) -> QueryPool:
    doc_ids, texts = tuple(pair.doc_id for pair in pairs), tuple(pair.text for pair in pairs)
    return QueryPool(pairs[0].query_id, pairs[0].query, doc_ids, texts)
