"""Runs and labels as Python programs hold them: files, polars or pandas frames, dicts; each becomes a checked table.

Columns may have the names of TREC's tools: qid or q_id for query_id, docno or docid for doc_id, relevance, rel or label
for grade.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.ids import id_fault, shown
from relsearch.core.tables import CANDIDATES, JUDGMENTS, check_filled, conform, judgments_table, read
from relsearch.core.types import Judgment, Scale, StrPath
from relsearch.data.trec import read_labels, read_run

_NAMES: Mapping[str, tuple[str, ...]] = {
    "query_id": ("query_id", "qid", "q_id", "query-id"),
    "doc_id": ("doc_id", "docno", "docid", "corpus-id"),
    "score": ("score",),
    "grade": ("grade", "relevance", "rel", "label", "score"),
}


@runtime_checkable
class Frame(Protocol):
    """A frame of polars, of pandas, or any other with named columns."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""
        ...

    def __getitem__(self, name: str) -> Any:
        """Return a column, which has `to_list`."""
        ...


class HasQrels(Protocol):
    """A collection, as far as its labels go."""

    def qrels(self) -> list[Judgment]:
        """Return every human label."""
        ...


RunLike = StrPath | Frame | Mapping[str, Mapping[str, float]]
LabelsLike = StrPath | Frame | Mapping[str, Mapping[str, int]] | Iterable[Judgment] | HasQrels


def run_table(run: RunLike) -> pl.DataFrame:
    """Return a run as a candidates table: each query's documents by descending score, then rank, then id; ranks from 1.

    `run` is a TREC file, a candidates table (.parquet), a frame with a query's id, a document's id and a score in each
    row, or scores by query and document: {"q1": {"d7": 12.3}}. Raise DataError for one that is none of these.
    """
    if isinstance(run, str | Path):
        if Path(run).suffix != ".parquet":
            return read_run(run)
        return _checked(check_filled(run, read(run, CANDIDATES), "a run has a row for each candidate"), str(run))
    if isinstance(run, Mapping):
        frame = _from_nested(run, "run", "score")
    elif not isinstance(run, Frame):
        raise DataError(f"run: {type(run).__name__} is no run; give a file, a frame or scores by query and document")
    else:
        frame = _from_frame(run, "run", ("query_id", "doc_id", "score"), optional=("rank", "searcher"))
    if "rank" not in frame.columns:
        frame = frame.with_columns(rank=pl.int_range(pl.len()))
    if "searcher" not in frame.columns:
        frame = frame.with_columns(searcher=pl.lit("run"))
    table = conform(frame, CANDIDATES, "run")
    ordered = _checked(table, "run").sort("query_id", "score", "rank", "doc_id", descending=[False, True, False, False])
    return ordered.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("query_id")).select(
        list(CANDIDATES)
    )


def labels_table(labels: LabelsLike, scale: Scale | None = None, *, what: str = "labels") -> pl.DataFrame:
    """Return labels as a judgments table.

    `labels` is a file as relsearch.data.trec.read_labels reads it, a frame with a query's id, a document's id and a
    grade in each row, grades by query and document, judgments, or a collection. Grades below the scale's lowest, or
    without a scale below 0, become the lowest. Raise DataError, which calls them `what`, for labels that are none of
    these, or above the scale.
    """
    if isinstance(labels, str | Path):
        return read_labels(labels, scale)
    if hasattr(labels, "qrels"):
        return _on_scale(judgments_table(labels.qrels()), scale, what)
    if isinstance(labels, Mapping):
        frame = _from_nested(labels, what, "grade")
    elif isinstance(labels, Frame):
        frame = _from_frame(labels, what, ("query_id", "doc_id", "grade"), optional=tuple(JUDGMENTS))
    else:
        frame = judgments_table(_judgments(labels, what))
    if "source" not in frame.columns:
        frame = frame.with_columns(source=pl.lit("human"))
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in JUDGMENTS.items() if name not in frame.columns]
    table = conform(frame.with_columns(absent), JUDGMENTS, what).select(list(JUDGMENTS))
    _check_ids(table, what)
    return _on_scale(table, scale, what)


class Runs(Mapping[str, pl.DataFrame]):
    """Runs by name, each made a table when it is looked up, so that of files one is in memory at a time."""

    def __init__(self, runs: Mapping[str, RunLike]) -> None:
        self._runs = runs

    def __getitem__(self, name: str) -> pl.DataFrame:
        return run_table(self._runs[name])

    def __contains__(self, name: object) -> bool:  # Mapping's own would look it up, and read its file for that
        return name in self._runs

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)


def _judgments(labels: object, what: str) -> list[Judgment]:
    known = []
    for row in labels if isinstance(labels, Iterable) else [labels]:
        if not isinstance(row, Judgment):
            raise DataError(
                f"{what}: {type(row).__name__} is no label; give a file, a frame, grades by query and document, "
                "relsearch's judgments or a collection"
            )
        known.append(row)
    return known


def _from_nested(nested: Mapping[str, Any], what: str, value: str) -> pl.DataFrame:
    if fault := next((query for query, of_query in nested.items() if not isinstance(of_query, Mapping)), None):
        raise DataError(
            f"{what}: {shown(fault)} has no dict; give {value}s by query and document, {{'q1': {{'d7': 1}}}}"
        )
    rows = [(query, doc, number) for query, of_query in nested.items() for doc, number in of_query.items()]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    queries, documents, numbers = map(list, columns)
    # Whole and other numbers may be mixed; a grade that is not whole is refused later, in plain words.
    kinds = {"query_id": pl.String, "doc_id": pl.String, value: pl.Float64}
    try:
        return pl.DataFrame({"query_id": queries, "doc_id": documents, value: numbers}, schema_overrides=kinds)
    except (TypeError, pl.exceptions.PolarsError) as exc:
        raise DataError(f"{what}: ids are strings and {value}s are numbers ({str(exc).splitlines()[0]})") from exc


def _from_frame(frame: Frame, what: str, needed: tuple[str, ...], *, optional: tuple[str, ...]) -> pl.DataFrame:
    """The columns under relsearch's names; pandas' come by way of lists, which need no pyarrow."""
    given = [str(name) for name in frame.columns]
    chosen = {}
    for name in needed:
        found = next((each for each in _NAMES[name] if each in given), None)
        if found is None:
            there = ", ".join(given) or "no columns"
            raise DataError(f"{what}: no column {name!r} ({', '.join(_NAMES[name])}); it has {there}")
        chosen[name] = found
    chosen |= {name: name for name in optional if name in given and name not in chosen}
    if isinstance(frame, pl.DataFrame):
        return frame.select(pl.col(column).alias(name) for name, column in chosen.items())
    return pl.DataFrame({name: frame[column].to_list() for name, column in chosen.items()}, strict=False)


def _checked(run: pl.DataFrame, what: str) -> pl.DataFrame:
    """The run, if its ids and scores can be; raise DataError else."""
    _check_ids(run, what)
    if not run["score"].is_finite().all():
        raise DataError(f"{what}: a score is NaN or infinite")
    return run


def _check_ids(table: pl.DataFrame, what: str) -> None:
    for name in ("query_id", "doc_id"):
        for each in table[name].unique():
            if fault := id_fault(each):
                raise DataError(f"{what}: {name} {shown(each)} {fault}")
    if twice := table.filter(table.select("query_id", "doc_id").is_duplicated()).rows(named=True):
        first = twice[0]
        raise DataError(f"{what}: document {first['doc_id']!r} appears twice for query {first['query_id']!r}")


def _on_scale(table: pl.DataFrame, scale: Scale | None, what: str) -> pl.DataFrame:
    lowest = scale.lowest if scale else 0
    raised = table.with_columns(pl.col("grade").clip(lower_bound=lowest))
    if scale and (above := raised["grade"].drop_nulls().filter(raised["grade"].drop_nulls() > scale.highest)).len():
        raise DataError(f"{what}: grade {above[0]} is outside scale {scale.lowest}-{scale.highest}")
    return raised
