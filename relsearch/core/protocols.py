"""The three seams: everything else is a pure function over tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from relsearch.core.query_pool import QueryPool
from relsearch.core.types import Candidate, Judgment, Query, Scale

if TYPE_CHECKING:
    import polars as pl

Work = Callable[["pl.DataFrame"], "pl.DataFrame"]
Opening = Callable[[], Work]  # called once a worker, where it loads its model


class Searcher(Protocol):
    """Finds candidates; the first stage of the stack."""

    @property
    def name(self) -> str:
        """The name written with each candidate, e.g. `embedded`."""
        ...

    def search(self, queries: Sequence[Query], k: int) -> Iterator[Candidate]:
        """Yield at most k candidates a query, queries in their order, ranks 1..n.

        Ties are broken by doc_id. A query without any match yields nothing.
        """
        ...


class Judge(Protocol):
    """Gives relevance grades to the documents of queries."""

    @property
    def fingerprint(self) -> str:
        """A short hash that changes whenever a document could get another label."""
        ...

    @property
    def scale(self) -> Scale:
        """The scale of its grades."""
        ...

    @property
    def truncated(self) -> int:
        """How many documents it has not read to the end so far."""
        ...

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other, one per document in the pool's order.

        It takes many pools, as texts of several queries are encoded and sent together.
        """
        ...

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return the rows of the documents that every label of this pool depends on.

        None where each document is judged alone, all where documents are judged relative to each other. A label is
        the same in the whole pool and in any part of it that has these rows.
        """
        ...


class Scorer(Protocol):
    """Scores documents for a query; the reranker."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return calibrated P(relevant), one per text in input order, strictly inside (0, 1)."""
        ...


class Workers(Protocol):
    """Processes, here or on other machines, that work on tables independently of each other."""

    def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield what the opened work returns for each table, in any order; `opening` can be pickled."""
        ...
