"""The three seams: everything else is a pure function over tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from relsearch.core.types import Candidate, Judgment, Pair, Query, Scale


class Searcher(Protocol):
    """Finds candidates; the first stage of the stack."""

    @property
    def name(self) -> str:
        """The name written beside each candidate, e.g. `embedded`."""
        ...

    def search(self, queries: Sequence[Query], k: int) -> Iterator[Candidate]:
        """Yield at most k candidates a query, queries in their order, ranks 1..n.

        Ties are broken by doc_id. A query without any match yields nothing.
        """
        ...


class Judge(Protocol):
    """Gives relevance grades to pairs."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same pair could get another label."""
        ...

    @property
    def scale(self) -> Scale:
        """The scale its grades are on."""
        ...

    @property
    def pooled(self) -> bool:
        """Whether a label depends on the query's other pairs, which then must come together in one call."""
        ...

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs."""
        ...


class CountingJudge(Judge, Protocol):
    """A judge that counts the pairs whose text it did not read to the end."""

    @property
    def truncated(self) -> int:
        """How many pairs were cut so far."""
        ...


class Scorer(Protocol):
    """Scores documents for a query; the reranker."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return calibrated P(relevant), one per text in input order, strictly inside (0, 1)."""
        ...
