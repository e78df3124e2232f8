"""Each query's value of a measure, as ir-measures computes it on grades from 0 and on runs in trec_eval's order.

trec_eval orders a run by its scores alone, in single precision, and documents of equal score by id, the last first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.measures import credits_any, largest_grade, parse_measures
from relsearch.core.scale import HIGHEST

if TYPE_CHECKING:
    from ir_measures import Measure

Floats = NDArray[np.float64]
Nested = dict[str, dict[str, float]]  # by query and document
_QUERIES = 500  # whose documents are Python objects at once
# Measures whose @k looks at the first k documents alone; others may take the length of the run for a number.
_LOOK_NO_FURTHER = ("nDCG", "P", "R", "RR", "AP", "Success", "ERR", "Judged")
_PAIR = ["query_id", "doc_id"]


def query_values(
    qrels: pl.DataFrame, run: pl.DataFrame, measures: Sequence[str], *, lowest: int = 0
) -> dict[str, Floats]:
    """Return each measure's value of every query of the qrels, in the order of query ids; 0 where the run has none.

    Grades count from `lowest`. All are nan where a measure credits none of the labels. Raise ConfigError on a measure
    that cannot be computed, DataError on a score that is not finite.
    """
    labels = from_zero(qrels, lowest)
    query_ids = sorted(set(labels["query_id"]))
    parsed = parse_measures(measures)
    grades = set(labels["grade"])
    distinct = {measure: np.zeros(len(query_ids)) for measure in parsed.values() if credits_any(measure, grades)}
    for measure in distinct:
        _check_grades(measure, max(grades))
    turns = pl.DataFrame({"query_id": query_ids}).with_row_index("place")
    graded = labels.join(turns, on="query_id").sort("place")
    ranked = _ranked(run, turns)
    for depth in dict.fromkeys(map(_depth, distinct)):
        measured = [measure for measure in distinct if _depth(measure) == depth]
        for part in _parts(graded, _first(ranked, depth), len(query_ids)):
            for measure in measured:
                for place, value in _computed(measure, *part):
                    distinct[measure][place] = value
    undefined = np.full(len(query_ids), np.nan)
    return {name: distinct.get(measure, undefined).copy() for name, measure in parsed.items()}


def uncredited(qrels: pl.DataFrame, measures: Sequence[str], *, lowest: int = 0) -> dict[str, str]:
    """Return why, by name, measures are not defined on these labels: none has a grade that the measure credits."""
    grades = set(from_zero(qrels, lowest)["grade"])
    parsed = parse_measures(measures)
    return {name: _no_credit(name, max(grades)) for name, each in parsed.items() if not credits_any(each, grades)}


def inferred_level(qrels: pl.DataFrame) -> int:
    """Return the level from which documents are relevant where no scale is given: 2, or 1 if no grade is as high.

    Raise ConfigError where the labels leave open whether their lowest grade means irrelevant.
    """
    lowest, highest = qrels["grade"].min(), qrels["grade"].max()
    if not isinstance(lowest, int) or not isinstance(highest, int):
        return 1
    if 0 < lowest < highest <= HIGHEST:  # grades above are no scale's, but gains as they are
        scales = [f"{low}-{highest}:{min(low + 2, highest)}" for low in (lowest, 0)]
        raise ConfigError(
            f"the grades are {lowest} to {highest} and none is 0: give the scale {scales[0]} if {lowest} means "
            f"irrelevant, or {scales[1]} if irrelevant documents are not listed"
        )
    return 2 if highest > 1 else 1


def from_zero(qrels: pl.DataFrame, lowest: int) -> pl.DataFrame:
    """Return the labels that have a grade, as query_id, doc_id and the grade above `lowest`, 0 where it is below."""
    return qrels.drop_nulls("grade").select(*_PAIR, (pl.col("grade") - lowest).clip(lower_bound=0))


def _ranked(run: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """A run's rows of these queries, numbered by place; raise DataError on a score that is not finite."""
    unusable = run.filter(~pl.col("score").is_finite().fill_null(value=False)).join(turns, on="query_id")
    if not unusable.is_empty():
        query_id, doc_id, score = unusable.select(*_PAIR, "score").row(0)
        raise DataError(f"query {query_id!r}: document {doc_id!r} has the score {score}; give a finite one")
    # Queries are looked up once for all rows of theirs that stand together.
    together = run["query_id"].rle().struct.unnest().rename({"value": "query_id"})
    places = together.join(turns, on="query_id", how="left", maintain_order="left")
    rows = run.select("doc_id", single=pl.col("score").cast(pl.Float32))
    return rows.with_columns(places.select(pl.col("place").repeat_by("len").explode())).drop_nulls("place")


def _first(rows: pl.DataFrame, depth: int | None) -> pl.DataFrame:
    """Each query's first documents in trec_eval's order with scores n, n - 1, …, 1, sorted by place.

    There may be more than `depth`; None is for all.
    """
    if depth is not None:
        rows = rows.filter(pl.col("single") >= pl.col("single").top_k(depth).min().over("place"))
    return rows.sort("place", "single", "doc_id", descending=[False, True, True]).with_columns(
        score=(pl.len() - pl.int_range(pl.len())).over("place").cast(pl.Float64)
    )


def _depth(measure: Measure) -> int | None:
    """How many of a query's documents a measure looks at, None for all."""
    if measure.params.get("judged_only"):  # unjudged documents are taken out first, so that others move up
        return None
    cutoff = measure.params.get("cutoff")
    return cutoff if isinstance(cutoff, int) and measure.NAME in _LOOK_NO_FURTHER else None


def _parts(labels: pl.DataFrame, ranked: pl.DataFrame, queries: int) -> Iterator[tuple[Nested, Nested]]:
    """Labels and the run of some queries at a time; a query is named by its place, since gdeval reads numbers only."""
    starts = pl.Series(range(0, queries, _QUERIES), dtype=pl.UInt32)
    tables = [(table, [*table["place"].search_sorted(starts), table.height]) for table in (labels, ranked)]
    for number in range(len(starts)):
        graded, found = (table[ends[number] : ends[number + 1]] for table, ends in tables)
        if not found.is_empty():
            yield _nested(graded, "grade"), _nested(found, "score")


def _nested(table: pl.DataFrame, column: str) -> Nested:
    nested: Nested = {}
    for place, doc_id, value in table.select("place", "doc_id", column).iter_rows():
        nested.setdefault(str(place), {})[doc_id] = value
    return nested


def _computed(measure: Measure, labels: Nested, ranked: Nested) -> Iterator[tuple[int, float]]:
    """The place and value of each query; one measure at a time, since providers take some measures for one."""
    try:
        for metric in measure.iter_calc(labels, ranked):
            yield int(metric.query_id), float(metric.value)
    except Exception as exc:  # whatever its provider raises
        raise DataError(f"measure {str(measure)!r} cannot be computed on these labels and this run ({exc})") from exc


def _check_grades(measure: Measure, highest: int) -> None:
    if highest > largest_grade(measure):
        raise DataError(f"measure {str(measure)!r} takes grades from 0 to {largest_grade(measure)}, not {highest}")


def _no_credit(name: str, highest: int) -> str:
    if highest == 0:
        return f"{name} is not defined: every label is of the lowest grade, so that no document is relevant"
    return (
        f"{name} is not defined: no label reaches a grade that it credits, the highest is {highest} above the lowest; "
        "name another level, or another scale"
    )
