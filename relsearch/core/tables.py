"""The schema of each table that passes between stages, and the one way to read and write them.

queries      query_id, text, split ("train" | "dev" | "test" | "unlabelled"; "contaminated": too like a held-out one)
documents    doc_id, then one text column per field (a field called doc_id: doc_id_, doc_id_: doc_id__, and so on)
candidates   query_id, doc_id, rank (1 is best), score, searcher ("a+b" where a union found it in both)
judgments    query_id, doc_id, grade (null: asked and missing), source ("human" | "judge" | "assumed":
             irrelevant, since nobody labelled it), judge (its fingerprint, and CALIBRATED after it where human
             grades of the query moved the label), probabilities, expected, confidence
examples     query_id, doc_id, gain (0..1, the training target), weight, grade, source ("human" | "assumed", or what
             brought a judge label in: "judge" | "unlabelled" | "synthetic")

All are Parquet. Ids are always strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import attrgetter
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError, reason
from relsearch.core.files.atomic import replacing
from relsearch.core.files.text_files import cannot_be_written
from relsearch.core.types import Candidate, Document, Judgment, Query, StrPath

Kind = pl.DataType | type[pl.DataType]
Schema = Mapping[str, Kind]

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
CALIBRATED = "calibrated"
_BLOCK = 50_000  # rows that are Python objects at once
_MAY_BE_NULL = {"grade", "judge", "probabilities", "expected", "confidence"}


def write(table: pl.DataFrame, path: StrPath, schema: Schema) -> None:
    """Write the table atomically; raise DataError where a column is missing or of another type."""
    whole = conform(table, schema, str(path))
    try:
        with replacing(Path(path)) as partial:
            whole.write_parquet(partial, compression="zstd", statistics=False)
    except OSError as exc:
        raise cannot_be_written(path, exc) from exc


def read(path: StrPath, schema: Schema) -> pl.DataFrame:
    """Read a table, or the parts of one in a folder.

    Raise DataError if it is absent, no Parquet, or does not have the schema's columns.
    """
    try:
        files = sorted(Path(path).glob("*.parquet")) if Path(path).is_dir() else [Path(path)]
        if not all(file.is_file() for file in files) or not files:
            what = "a folder without a table's parts (.parquet)" if Path(path).is_dir() else "no such table"
            raise DataError(f"{path}: {what}; name a file, or run the stage that writes it")
        table = pl.read_parquet(files, glob=False)
    except OSError as exc:
        raise DataError(f"{path}: cannot be read ({exc.strerror or exc}); check the path") from exc
    except (PolarsError, PanicException) as exc:  # polars panics at what it does not foresee in a broken file
        raise DataError(f"{path}: no Parquet file, or a broken one ({reason(exc)}); make it again") from exc
    return conform(table, schema, str(path))


def check_filled(path: StrPath, table: pl.DataFrame, expected: str) -> pl.DataFrame:
    """Return a table that was read of a file; raise DataError, with what was `expected`, where it has no row."""
    if table.is_empty():
        raise DataError(f"{path}: has no rows; {expected}; make it again, or check the path")
    return table


def conform(table: pl.DataFrame, schema: Schema, where: str) -> pl.DataFrame:
    """Return the table with the schema's columns first and in its types; raise DataError where one does not fit."""
    missing = [name for name in schema if name not in table.columns]
    if missing:
        raise DataError(f"{where}: no column {missing[0]!r}; it has {', '.join(table.columns)}")
    columns = [_column(table[name], kind, where) for name, kind in schema.items()]
    extra = [name for name in table.columns if name not in schema]
    return table[[*schema, *extra]].with_columns(columns)  # by name: select() takes a field called "*" for all


def _column(column: pl.Series, kind: Kind, where: str) -> pl.Series:
    """The column in the schema's type; raise DataError where it is of another nature, or would lose something."""
    what = f"{where}: column {column.name!r}"
    if (nulls := column.null_count()) and column.name not in _MAY_BE_NULL:
        raise DataError(f"{what} has no value in {counted(nulls, 'row')}; give one to each")
    if kind == pl.String and (column.dtype.is_nested() or column.dtype.is_float() or column.dtype == pl.Boolean):
        raise DataError(f"{what} holds {column.dtype}; expected text")
    try:
        found = column.cast(kind)
    except (PolarsError, PanicException) as exc:
        raise DataError(f"{what} holds {column.dtype}; expected {kind} ({reason(exc)})") from exc
    if found.dtype != kind:  # polars casts a struct's fields, and leaves it a struct
        raise DataError(f"{what} holds {column.dtype}; expected {kind}")
    if column.dtype.is_float() and found.dtype.is_integer() and (found != column).any():
        raise DataError(f"{what} holds numbers that are not whole")
    return found


def candidates_table(candidates: Iterable[Candidate]) -> pl.DataFrame:
    """Collect candidates into a table."""
    rows = map(attrgetter(*CANDIDATES), candidates)
    blocks = [pl.DataFrame(schema=dict(CANDIDATES))]
    while block := list(islice(rows, _BLOCK)):
        blocks.append(pl.DataFrame(block, schema=dict(CANDIDATES), orient="row"))
    return pl.concat(blocks)


def judgments_table(judgments: Iterable[Judgment]) -> pl.DataFrame:
    """Collect judgments into a table."""
    rows = list(judgments)
    return pl.DataFrame({name: [getattr(row, name) for row in rows] for name in JUDGMENTS}, schema=dict(JUDGMENTS))


def first_per_query(table: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return the first `count` rows of each query in their order; polars' head of a group makes rows of nulls of 0."""
    return table.filter(pl.int_range(pl.len()).over("query_id") < count)


def queries_of(table: pl.DataFrame) -> list[Query]:
    """The rows of a queries table as queries."""
    return [Query(query_id, text) for query_id, text in table.select("query_id", "text").iter_rows()]


def documents_table(documents: Iterable[Document]) -> pl.DataFrame:
    """Collect documents into a table: their ids, then a column for each field that one of them has."""
    rows = [{"doc_id": doc.doc_id, **{_stored(name): text for name, text in doc.fields.items()}} for doc in documents]
    names = sorted({name for row in rows for name in row} - {"doc_id"})
    return pl.DataFrame(rows, schema=dict.fromkeys(["doc_id", *names], pl.String))


def field_names(table: pl.DataFrame) -> set[str]:
    """The fields that documents of a table have."""
    return {_named(column) for column in table.columns if column != "doc_id"}


def documents_of(table: pl.DataFrame) -> Iterator[Document]:
    """The rows of a documents table as documents; empty fields are left out."""
    for row in table.iter_rows(named=True):
        doc_id = row.pop("doc_id")
        yield Document(doc_id, {_named(column): text for column, text in row.items() if text})


def _stored(field: str) -> str:
    """The column of a field; one called doc_id, as the ids' column is, gets another underscore at its end."""
    return f"{field}_" if field.rstrip("_") == "doc_id" else field


def _named(column: str) -> str:
    return column[:-1] if column.rstrip("_") == "doc_id" else column
