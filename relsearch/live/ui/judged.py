"""The judged pairs that people may grade: a table that `relsearch judge` wrote, or the judge's labels as they come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Protocol

import polars as pl

from relsearch.core import tables
from relsearch.core.errors import RelsearchError
from relsearch.core.protocols import Judge
from relsearch.core.types import Candidate, Query
from relsearch.judge.store.judgment_store import judge_all
from relsearch.live.ui.orders.sources import Source
from relsearch.live.ui.orders.systems import pool_of
from relsearch.live.ui.turns import Turns

_LOG = logging.getLogger(__name__)
_QUERIES = 40  # that are judged for one sitting: 400 pairs are more than a person grades in a day
_DEPTH = 10


class Judged(Protocol):
    """Judged pairs; more may come."""

    @property
    def queries(self) -> Mapping[str, str]:
        """The queries' texts by id."""
        ...

    def table(self) -> pl.DataFrame:
        """Return the judgments so far."""
        ...

    def pool(self) -> pl.DataFrame | None:
        """Return the ranks of the pairs as a candidates table, None where they are not known."""
        ...

    def state(self) -> str | None:
        """Return what is still being done, or went wrong, in words; None where all pairs are there."""
        ...


class JudgedTable:
    """A judgments table that is there."""

    def __init__(self, path: Path, queries: Sequence[Query], run: pl.DataFrame | None) -> None:
        self._table = tables.read(path, tables.JUDGMENTS)
        self._run = run
        self.queries = {query.query_id: query.text for query in queries}

    def table(self) -> pl.DataFrame:
        """Return the judgments."""
        return self._table

    def pool(self) -> pl.DataFrame | None:
        """Return the run that the pairs came from, if it was given."""
        return self._run

    def state(self) -> str | None:
        """Return None: all pairs are there."""
        return None


class JudgingNow:
    """Judges the heads of queries' results in a thread, query by query; judgments are kept in a store."""

    def __init__(
        self, open_judge: Callable[[], Judge], source: Source, queries: Sequence[Query], *, turns: Turns, store: Path
    ) -> None:
        self.queries = {query.query_id: query.text for query in queries}
        self._open, self._source, self._store = open_judge, source, store
        self._wanted = queries[:_QUERIES]
        self._turns = turns
        self._parts: list[pl.DataFrame] = []
        self._found: list[Candidate] = []
        self._error: str | None = None
        self._thread: Thread | None = None

    def table(self) -> pl.DataFrame:
        """Return the judgments so far; the first call starts the judge."""
        if self._thread is None:
            self._thread = Thread(target=self._run, daemon=True, name="judge")
            self._thread.start()
        return pl.concat([tables.judgments_table([]), *self._parts])

    def pool(self) -> pl.DataFrame | None:
        """Return the passages that were judged, as the engine ranked them."""
        return tables.candidates_table(self._found)

    def state(self) -> str | None:
        """Return how far it is."""
        if self._error:
            return f"The judge stopped: {self._error}"
        done = len(self._parts)
        return None if done == len(self._wanted) else f"The judge has graded {done} of {len(self._wanted)} queries"

    def _run(self) -> None:
        try:
            for query in self._wanted:
                passages = self._source.find(query.text, _DEPTH)
                with self._turns.behind():
                    labels = judge_all(self._open(), [pool_of(query.query_id, query.text, passages)], self._store)
                self._found += [
                    Candidate(query.query_id, each.doc_id, each.score, rank, self._source.name)
                    for rank, each in enumerate(passages, 1)
                ]
                self._parts.append(labels)
        except RelsearchError as exc:
            self._error = str(exc)
            _LOG.error("ui: the judge stopped: %s", exc)
