"""Labels in the formats that other tools read; missing ones (no grade) are left out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import polars as pl

from relsearch.core.errors import DataError
from relsearch.exporters.trec import graded


def beir_qrels(judgments: pl.DataFrame) -> str:
    """Return BEIR's qrels: a header, then query id, document id, grade."""
    rows: list[Sequence[object]] = [["query-id", "corpus-id", "score"], *graded(judgments).iter_rows()]
    return _delimited(rows, "\t")


def quepid(judgments: pl.DataFrame, queries: Mapping[str, str]) -> str:
    """Return Quepid's basic CSV: query text, document id, rating; raise DataError for a query without a text."""
    rows: list[Sequence[object]] = [["query", "docid", "rating"]]
    rows += [[_text(queries, query_id), doc_id, grade] for query_id, doc_id, grade in graded(judgments).iter_rows()]
    return _delimited(rows, ",")


def opensearch(judgments: pl.DataFrame, queries: Mapping[str, str], *, name: str) -> str:
    """Return an OpenSearch Search Relevance import body: a judgment list called `name`, ratings as strings.

    Raise DataError for a query without a text.
    """
    ratings = [
        {
            "query": _text(queries, query_id),
            "ratings": [{"docId": doc_id, "rating": str(float(grade))} for doc_id, grade in rows],
        }
        for query_id, rows in _by_query(judgments)
    ]
    body = {"name": name, "description": "written by relsearch", "type": "IMPORT_JUDGMENT", "judgmentRatings": ratings}
    return _json(body)


def rank_eval(judgments: pl.DataFrame, queries: Mapping[str, str], *, index: str, field: str) -> str:
    """Return an Elasticsearch `_rank_eval` body: a match query on a field, measured by DCG at 10, normalised.

    Raise DataError for a query without a text.
    """
    requests = [
        {
            "id": query_id,
            "request": {"query": {"match": {field: _text(queries, query_id)}}},
            "ratings": [{"_index": index, "_id": doc_id, "rating": grade} for doc_id, grade in rows],
        }
        for query_id, rows in _by_query(judgments)
    ]
    return _json({"requests": requests, "metric": {"dcg": {"k": 10, "normalize": True}}})


def _text(queries: Mapping[str, str], query_id: str) -> str:
    if query_id not in queries:
        raise DataError(f"query {query_id!r} is labelled but has no text; give the queries that were judged")
    return queries[query_id]


def _by_query(judgments: pl.DataFrame) -> list[tuple[str, list[tuple[str, int]]]]:
    groups = graded(judgments).group_by("query_id", maintain_order=True)
    return [(str(query_id), list(rows.select("doc_id", "grade").iter_rows())) for (query_id,), rows in groups]


def _json(body: Mapping[str, object]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def _delimited(rows: Sequence[Sequence[object]], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()
