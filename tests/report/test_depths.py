"""The quality by candidates read goes from the first stage's to the reranked run's."""

from __future__ import annotations

import polars as pl
import pytest

from relsearch.data.frames import labels_table, run_table
from relsearch.measure.evaluate import evaluate
from relsearch.report.depths import quality_by_depth

LABELS = {"q1": {"d7": 1}, "q2": {"d3": 1}}


def _run(orders: dict[str, list[int]]) -> pl.DataFrame:
    return run_table({query: {f"d{doc}": -float(r) for r, doc in enumerate(order)} for query, order in orders.items()})


def _by_depth(featured: pl.DataFrame, first: pl.DataFrame) -> list[tuple[int, float]]:
    runs, labels = {"first": first, "new": featured}, labels_table(LABELS)
    result = evaluate(labels, runs, measures=["RR@10"], resamples=50, seed=1)
    found = quality_by_depth(result, labels, runs, "new")
    for name, (_, value) in zip(("first", "new"), (found[0], found[-1]) if found else (), strict=False):
        assert value == pytest.approx(result.estimates[name]["RR@10"].mean)
    return found


def test_it_starts_at_the_first_stage_and_ends_at_the_reranked_run() -> None:
    """A document is moved up from the depth on at which it is read."""
    first = _run({query: list(range(12)) for query in ("q1", "q2")})
    best = _run({"q1": [7, *range(7), *range(8, 12)], "q2": [3, 0, 1, 2, *range(4, 12)]})
    assert [depth for depth, _ in _by_depth(best, first)] == [0, 5, 10, 12]
    assert [value for _, value in _by_depth(best, first)] == pytest.approx(
        [(1 / 8 + 1 / 4) / 2, (1 / 8 + 1) / 2, 1.0, 1.0]
    )


def test_another_search_s_run_has_none() -> None:
    """It is no reranking of the first."""
    first = _run({query: list(range(12)) for query in ("q1", "q2")})
    assert _by_depth(_run({"q1": list(range(1, 13)), "q2": list(range(12))}), first) == []
