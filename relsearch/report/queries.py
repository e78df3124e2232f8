"""Each query's gain or loss, and the result lists that the page opens: what stood where, and how it was graded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from relsearch.measure.evaluate import Evaluation
from relsearch.report.data import ReportData, first_measure
from relsearch.stats.bootstrap import or_none

LIST_DEPTH = 10  # results of each list
RANKS = 100  # as far down as the page says where a document stood in another run
LISTED = 500  # queries whose lists are on the page: those that change most
EXTREMES = 10
_TITLE, _BODY = 120, 320  # characters; a sentence or three, so that 500 queries stay within some MB
CUT = " […]"


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query's value in the baseline and in a run, and their difference; `place` is the query's on the page."""

    place: int
    text: str
    old: float
    new: float
    difference: float
    listed: bool


def excerpt(text: str, limit: int) -> str:
    """Return the text, or its start with a mark where it is longer; what UTF-8 cannot hold becomes a question mark."""
    kept = text if len(text) <= limit else text[:limit].rstrip() + CUT
    return kept.encode("utf-8", "replace").decode("utf-8")


def title_and_body(text: str) -> tuple[str, str]:
    """Return a rendered document's first line and the rest, each cut; one of a single line has no title."""
    title, newline, _ = text[: _TITLE + _BODY + 2 * len(CUT)].partition("\n")
    if not newline or len(title) > _TITLE:
        return "", excerpt(text, _BODY)
    return excerpt(title, _TITLE), excerpt(text[len(title) + 1 :], _BODY)


def shown_queries(evaluation: Evaluation, featured: str) -> list[str]:
    """Return the queries whose lists are shown: those that change most in the featured run, sorted by id."""
    measure = first_measure(evaluation)
    changes = np.abs(evaluation.per_query[featured][measure] - evaluation.per_query[evaluation.baseline][measure])
    order = sorted(range(len(evaluation.query_ids)), key=lambda place: (-changes[place], evaluation.query_ids[place]))
    return sorted(evaluation.query_ids[place] for place in order[:LISTED])


def query_rows(data: ReportData, run: str, listed: Mapping[str, int]) -> list[QueryRow]:
    """Return a row for each query, the greatest gain first."""
    evaluation = data.evaluation
    if evaluation is None:
        return []
    measure = first_measure(evaluation)
    old, new = (evaluation.per_query[name][measure] for name in (evaluation.baseline, run))
    rows = [
        QueryRow(
            listed.get(query_id, -1),
            excerpt(data.queries.get(query_id, query_id), _BODY),
            float(old[place]),
            float(new[place]),
            float(new[place] - old[place]),
            query_id in listed,
        )
        for place, query_id in enumerate(evaluation.query_ids)
    ]
    return sorted(rows, key=lambda row: (-row.difference, row.text))


def result_lists(data: ReportData, listed: Mapping[str, int]) -> dict[str, Any]:
    """Return what the page's script reads: runs, queries with their documents' grades and ranks, and texts once each.

    A query's documents are rows of: place of the text, human grade, judged grade, then the rank in each run, None
    where it is below `RANKS`. Documents are those among the first `LIST_DEPTH` of any run.
    """
    evaluation = data.evaluation
    if evaluation is None:
        return {}
    ranked = _ranks(data, list(listed))
    human, judged = _grades(data.labels, ranked, human=True), _grades(data.judged, ranked, human=False)
    places: dict[str, int] = {}
    rows: dict[str, list[list[int | None]]] = {query_id: [] for query_id in listed}
    for query_id, doc_id, *ranks in ranked.iter_rows():
        place = places.setdefault(doc_id, len(places))
        grades = [table.get((query_id, doc_id)) for table in (human, judged)]
        rows[query_id].append([place, *grades, *ranks])
    values = _values(evaluation)
    return {
        "runs": list(data.runs),
        "depth": LIST_DEPTH,
        "ranks": RANKS,
        "queries": [
            {
                "id": query_id,
                "text": excerpt(data.queries.get(query_id, ""), _BODY),
                "values": values[query_id],
                "documents": rows[query_id],
            }
            for query_id in listed
        ],
        "documents": [[doc_id, *title_and_body(data.documents.get(doc_id, ""))] for doc_id in places],
    }


def shown_documents(runs: Mapping[str, pl.DataFrame]) -> set[str]:
    """Return the documents that any list shows."""
    return {doc_id for run in runs.values() for doc_id in run.filter(pl.col("rank") <= LIST_DEPTH)["doc_id"]}


def _ranks(data: ReportData, query_ids: list[str]) -> pl.DataFrame:
    """The documents of the lists, by query, with their rank in each run."""
    wanted = pl.col("query_id").is_in(pl.Series(query_ids, dtype=pl.String).implode())
    pair = ["query_id", "doc_id"]
    runs = [run.filter(wanted, pl.col("rank") <= RANKS).select(*pair, "rank") for run in data.runs.values()]
    shown = pl.concat([run.filter(pl.col("rank") <= LIST_DEPTH).select(pair) for run in runs]).unique().sort(pair)
    for number, run in enumerate(runs):
        shown = shown.join(run.rename({"rank": f"rank {number}"}), on=pair, how="left", maintain_order="left")
    return shown


def _grades(labels: pl.DataFrame | None, ranked: pl.DataFrame, *, human: bool) -> dict[tuple[str, str], int]:
    if labels is None:
        return {}
    wanted = labels.filter((pl.col("source") == "judge") != human).drop_nulls("grade")
    rows = wanted.join(ranked, on=["query_id", "doc_id"], how="semi").select("query_id", "doc_id", "grade")
    return {(query_id, doc_id): grade for query_id, doc_id, grade in rows.iter_rows()}


def _values(evaluation: Evaluation) -> dict[str, list[float | None]]:
    """The first measure of each query by run, rounded to what is read."""
    measure = first_measure(evaluation)
    columns = [values[measure] for values in evaluation.per_query.values()]
    return {
        query_id: [or_none(round(float(column[place]), 4)) for column in columns]
        for place, query_id in enumerate(evaluation.query_ids)
    }
