"""Files of queries' pools with their texts: Parquet or JSON Lines, here or in object storage.

Rows hold query_id, query, doc_id and text. A query's rows stand one after the other in one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.files.storage import JSON_LINES, PARQUET, Storage
from relsearch.core.ids import id_fault, shown
from relsearch.core.query_pool import QueryPool
from relsearch.core.tables import Schema, conform

PAIRS: Schema = {"query_id": pl.String, "query": pl.String, "doc_id": pl.String, "text": pl.String}


def pair_files(storage: Storage) -> list[str]:
    """Return the names of the files of pairs; raise DataError where there is none."""
    if names := storage.names(PARQUET, *JSON_LINES):
        return names
    raise DataError(
        f"{storage.uri}: no .parquet, .jsonl or .jsonl.gz file there; give pairs, with the columns {', '.join(PAIRS)}"
    )


def read_pools(storage: Storage, name: str) -> Iterator[QueryPool]:
    """Yield the pool of each query of a file, in its order; all other columns are passed over.

    Raise DataError where a column is absent or has no text, where an id cannot be one, where a query's rows are apart
    or of several texts, and where a pool has a document twice.
    """
    where = storage.at(name)
    seen: set[str] = set()
    rows = chain.from_iterable(conform(table, PAIRS, where).iter_rows() for table in storage.rows(name, PAIRS))
    for query_id, group in groupby(rows, key=itemgetter(0)):
        _, queries, doc_ids, texts = zip(*group, strict=True)
        if query_id in seen:
            raise DataError(f"{where}: rows of query {query_id!r} stand apart; sort the file by query_id")
        if len(set(queries)) > 1:
            raise DataError(f"{where}: query {query_id!r} has several texts; give each an id of its own")
        if len(set(doc_ids)) < len(doc_ids):
            raise DataError(f"{where}: query {query_id!r} has a document twice; give each doc_id once")
        for each in (query_id, *doc_ids):
            if fault := id_fault(each):
                raise DataError(f"{where}: {'query_id' if each is query_id else 'doc_id'} {shown(each)} {fault}")
        seen.add(query_id)
        yield QueryPool(query_id, queries[0], doc_ids, texts)
