"""The schema of each table that passes between stages, and the one way to read and write them.

queries      query_id, text, split ("train" | "dev" | "test" | "unlabelled"; "contaminated": too like a held-out one)
documents    doc_id, then one text column per field
candidates   query_id, doc_id, rank (1 is best), score, searcher ("a+b" where a union found it in both)
judgments    query_id, doc_id, grade (null: asked and missing), source ("human" | "judge" | "assumed":
             irrelevant, since nobody labelled it), judge, probabilities, expected, confidence
examples     query_id, doc_id, gain (0..1, the training target), weight, grade, source ("human" | "assumed", or what
             brought a judge label in: "judge" | "relabelled" | "unlabelled" | "synthetic")

All are Parquet. Ids are always strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, fields
from pathlib import Path

import polars as pl

from relsearch.atomic import replacing
from relsearch.errors import DataError
from relsearch.types import Candidate, Document, Judgment, Query

Schema = Mapping[str, pl.DataType | type[pl.DataType]]

QUERIES: Schema = {"query_id": pl.String, "text": pl.String, "split": pl.String}
DOCUMENTS: Schema = {"doc_id": pl.String}
CANDIDATES: Schema = {
    "query_id": pl.String,
    "doc_id": pl.String,
    "rank": pl.Int32,
    "score": pl.Float64,
    "searcher": pl.String,
}
JUDGMENTS: Schema = {
    "query_id": pl.String,
    "doc_id": pl.String,
    "grade": pl.Int32,
    "source": pl.String,
    "judge": pl.String,
    "probabilities": pl.List(pl.Float64),
    "expected": pl.Float64,
    "confidence": pl.Float64,
}
EXAMPLES: Schema = {
    "query_id": pl.String,
    "doc_id": pl.String,
    "gain": pl.Float64,
    "weight": pl.Float64,
    "grade": pl.Int32,
    "source": pl.String,
}


def write(table: pl.DataFrame, path: Path, schema: Schema) -> None:
    """Write the table atomically; raise DataError where a column is missing or of another type."""
    whole = _conform(table, schema, str(path))
    with replacing(path) as partial:
        whole.write_parquet(partial, compression="zstd", statistics=False)


def read(path: Path, schema: Schema) -> pl.DataFrame:
    """Read a table; raise DataError if it is absent or does not have the schema's columns."""
    if not path.is_file():
        raise DataError(f"{path}: no such table; run the stage that writes it")
    return _conform(pl.read_parquet(path), schema, str(path))


def _conform(table: pl.DataFrame, schema: Schema, where: str) -> pl.DataFrame:
    missing = [name for name in schema if name not in table.columns]
    if missing:
        raise DataError(f"{where}: no column {missing[0]!r}; it has {', '.join(table.columns)}")
    extra = [name for name in table.columns if name not in schema]
    return table.select([pl.col(name).cast(kind) for name, kind in schema.items()] + [pl.col(name) for name in extra])


def candidates_table(candidates: Iterable[Candidate]) -> pl.DataFrame:
    """Collect candidates into a table."""
    names = [field.name for field in fields(Candidate)]
    rows = [astuple(candidate) for candidate in candidates]
    return pl.DataFrame(rows, schema=names, orient="row").select(
        pl.col(name).cast(kind) for name, kind in CANDIDATES.items()
    )


def judgments_table(judgments: Iterable[Judgment]) -> pl.DataFrame:
    """Collect judgments into a table."""
    rows = [{name: getattr(judgment, name) for name in JUDGMENTS} for judgment in judgments]
    return pl.DataFrame(rows, schema=dict(JUDGMENTS))


def first_per_query(table: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return the first `count` rows of each query in their order; polars' head of a group makes rows of nulls of 0."""
    return table.filter(pl.int_range(pl.len()).over("query_id") < count)


def queries_of(table: pl.DataFrame) -> list[Query]:
    """The rows of a queries table as queries."""
    return [Query(query_id, text) for query_id, text in table.select("query_id", "text").iter_rows()]


def documents_of(table: pl.DataFrame) -> Iterator[Document]:
    """The rows of a documents table as documents; empty fields are left out."""
    for row in table.iter_rows(named=True):
        doc_id = row.pop("doc_id")
        yield Document(doc_id, {name: text for name, text in row.items() if text})
