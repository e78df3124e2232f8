"""Ray's workers, and what they were at when."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from functools import partial

import polars as pl

from relsearch.cluster.ray_workers import RayWorkers
from relsearch.core.protocols import Opening, Work


class WatchedWorkers:
    """Ray's workers; counts bytes on their way to the object store and back, and notes when a worker is at a table."""

    def __init__(self, cpus: float) -> None:
        self._workers = RayWorkers(cpus, 0)
        self.sent = self.returned = 0
        self.tables: list[tuple[int, float, float, int]] = []  # by which process, from when, until when, how many pairs
        self.ended = 0.0

    def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Do as RayWorkers.map does."""
        self.tables = []
        for table in self._workers.map(partial(_watched, opening), map(self._counted, tables)):
            process, begun, done = table.select("process", "begun", "done").row(0)
            self.tables.append((process, begun, done, int(table["places"].list.len().sum())))
            found = table.drop("process", "begun", "done")
            self.returned += int(found.estimated_size())
            self.ended = time.time()
            yield found

    def all_at_work(self) -> tuple[float, int]:
        """Return when the last worker began its first table, and how many pairs were ranked from then on.

        Of tables that others were at, it counts as many as fit the time that was left.
        """
        first: dict[int, float] = {}
        for process, begun, _, _ in self.tables:
            first[process] = min(begun, first.get(process, begun))
        since = max(first.values())
        rest = [
            (pairs * (done - max(begun, since)) / (done - begun))
            for _, begun, done, pairs in self.tables
            if done > since
        ]
        return since, round(sum(rest))

    def _counted(self, table: pl.DataFrame) -> pl.DataFrame:
        self.sent += int(table.estimated_size())
        return table


def _watched(opening: Opening) -> Work:
    work = opening()

    def watched(table: pl.DataFrame) -> pl.DataFrame:
        begun = time.time()
        found = work(table)
        return found.with_columns(process=pl.lit(os.getpid()), begun=pl.lit(begun), done=pl.lit(time.time()))

    return watched
