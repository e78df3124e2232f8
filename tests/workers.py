"""Workers without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from relsearch.core.protocols import Opening


class Backwards:
    """One worker in this process, which answers the last table first."""

    def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Do as RayWorkers.map does."""
        work = opening()
        return map(work, reversed(list(tables)))
