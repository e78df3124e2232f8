"""What reading only the top of the first stage gives: the quality by how many candidates are read."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from relsearch.measure.evaluate import Evaluation
from relsearch.measure.query_values import query_values
from relsearch.report.data import first_measure

_DEPTHS = (0, 5, 10, 20, 50, 100, 200, 500, 1000)
_PAIR = ["query_id", "doc_id"]


def quality_by_depth(
    evaluation: Evaluation, labels: pl.DataFrame, runs: Mapping[str, pl.DataFrame], featured: str, *, lowest: int = 0
) -> list[tuple[int, float]]:
    """Return depths, and the page's measure where the baseline's first `depth` candidates are read.

    Those stand in the featured run's order, the others below them in the baseline's. None where the featured run has
    other candidates than the baseline, so that it is no reranking of it.
    """
    if featured == evaluation.baseline:
        return []
    measured = pl.col("query_id").is_in(pl.Series(evaluation.query_ids, dtype=pl.String).implode())
    first, new = (runs[name].filter(measured) for name in (evaluation.baseline, featured))
    both = first.join(new.select(*_PAIR, new=pl.col("rank")), on=_PAIR, how="left")
    if both.is_empty() or both["new"].null_count() or both.height != new.height:
        return []
    known, measure = labels.filter(measured), first_measure(evaluation)
    deepest = both.select(pl.col("rank").max()).item()
    return [
        (depth, float(query_values(known, _read_to(both, depth), [measure], lowest=lowest)[measure].mean()))
        for depth in [*(depth for depth in _DEPTHS if depth < deepest), deepest]
    ]


def _read_to(both: pl.DataFrame, depth: int) -> pl.DataFrame:
    """The run whose candidates down to rank `depth` are in their new order."""
    read = pl.col("rank") <= depth
    ordered = both.sort("query_id", ~read, pl.when(read).then(pl.col("new")).otherwise(pl.col("rank")))
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("query_id")
    return ordered.select(*_PAIR, rank=rank, score=-rank.cast(pl.Float64))
