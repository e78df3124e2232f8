"""Write TREC runs and qrels that every reader takes; what no such file can hold is refused."""

from __future__ import annotations

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.files.text_files import lines, write_text
from relsearch.core.ids import id_fault, shown
from relsearch.core.types import StrPath

_PAIR = ["query_id", "doc_id"]


def write_run(run: pl.DataFrame, path: StrPath, *, tag: str) -> None:
    """Write a candidates table as a TREC run, best first; scores keep full precision."""
    write_text(path, run_text(run, tag=tag))


def run_text(run: pl.DataFrame, *, tag: str) -> str:
    """Return a candidates table as the text of a TREC run.

    Raise DataError where the tag or an id would break its columns, a score is not finite, or a document stands twice.
    """
    check_tag(tag)
    check_ids(run)
    if run.select(_PAIR).is_duplicated().any():
        query_id, doc_id = run.filter(run.select(_PAIR).is_duplicated()).select(_PAIR).row(0)
        raise DataError(f"run: document {doc_id!r} appears twice for query {query_id!r}")
    unordered = run.filter(~pl.col("score").is_finite())
    if not unordered.is_empty():
        query_id, doc_id, score = unordered.select(*_PAIR, "score").row(0)
        raise DataError(
            f"run: query {query_id!r}, document {doc_id!r}: score {score} is not finite, which orders nothing"
        )
    rows = run.select("query_id", "doc_id", "rank", "score").iter_rows()
    return "".join(f"{query_id} Q0 {doc_id} {rank} {score!r} {tag}\n" for query_id, doc_id, rank, score in rows)


def check_tag(tag: str) -> None:
    """Raise DataError where a name is none for a run."""
    if fault := id_fault(tag):
        raise DataError(f"run tag {shown(tag)} {fault}")


def check_ids(table: pl.DataFrame) -> None:
    """Raise DataError for a query or document id that a TREC file cannot hold."""
    for kind, column in (("query", "query_id"), ("document", "doc_id")):
        for text in table[column].unique(maintain_order=True):
            if fault := id_fault(text):
                raise DataError(f"{kind} id {shown(text)} {fault}")


def is_run_of(path: StrPath, tag: str) -> bool:
    """Whether a file is a run whose every line has the tag: the mark of who wrote it."""
    try:
        return all(line.split()[5:] == [tag] for _, line in lines(path))
    except DataError:
        return False


def write_qrels(judgments: pl.DataFrame, path: StrPath) -> None:
    """Write a judgments table as TREC qrels, without missing labels."""
    write_text(path, qrels_text(judgments))


def qrels_text(judgments: pl.DataFrame) -> str:
    """Return a judgments table as the text of TREC qrels, without missing labels; raise DataError as `graded` does."""
    rows = graded(judgments).iter_rows()
    return "".join(f"{query_id} 0 {doc_id} {grade}\n" for query_id, doc_id, grade in rows)


def graded(judgments: pl.DataFrame) -> pl.DataFrame:
    """Return query_id, doc_id and grade of the labels that are there; raise DataError where a pair has two grades."""
    labels = judgments.drop_nulls("grade").select(*_PAIR, "grade")
    check_ids(labels)
    twice = labels.unique(maintain_order=True).select(_PAIR).is_duplicated()
    if twice.any():
        query_id, doc_id = labels.unique(maintain_order=True).filter(twice).select(_PAIR).row(0)
        raise DataError(f"labels: document {doc_id!r} of query {query_id!r} has two different grades; keep one")
    return labels
