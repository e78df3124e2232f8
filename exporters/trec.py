"""Write TREC runs and qrels."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relsearch.atomic import replace_text
from relsearch.errors import DataError
from relsearch.trec import lines


def write_run(run: pl.DataFrame, path: Path, *, tag: str) -> None:
    """Write a candidates table as a TREC run, best first; scores keep full precision."""
    replace_text(path, run_text(run, tag=tag))


def run_text(run: pl.DataFrame, *, tag: str) -> str:
    """Return a candidates table as the text of a TREC run; raise DataError where an id would break its columns."""
    broken = [each for each in pl.concat([run["query_id"], run["doc_id"]]).unique() if len(each.split()) != 1]
    if broken:
        raise DataError(f"id {min(broken)!r} is empty or has white space, which no TREC run can hold; rename it")
    rows = run.select("query_id", "doc_id", "rank", "score").iter_rows()
    return "".join(f"{query_id} Q0 {doc_id} {rank} {score!r} {tag}\n" for query_id, doc_id, rank, score in rows)


def is_run_of(path: Path, tag: str) -> bool:
    """Whether a file is a run whose every line has the tag: the mark of who wrote it."""
    try:
        return all(line.split()[5:] == [tag] for _, line in lines(path))
    except DataError:
        return False


def write_qrels(judgments: pl.DataFrame, path: Path) -> None:
    """Write a judgments table as TREC qrels, without missing labels."""
    rows = judgments.drop_nulls("grade").select("query_id", "doc_id", "grade").iter_rows()
    replace_text(path, "".join(f"{query_id} 0 {doc_id} {grade}\n" for query_id, doc_id, grade in rows))
