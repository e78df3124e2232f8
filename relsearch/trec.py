"""Read TREC runs, qrels and topics, plain or gzipped; a broken line says file, line and reason."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from relsearch.errors import DataError
from relsearch.tables import CANDIDATES, judgments_table
from relsearch.types import Judgment, Query, Scale


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered non-blank lines of a UTF-8 file, gunzipped where its name ends in .gz."""
    opener: Callable[..., object] = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:  # type: ignore[attr-defined]
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as exc:
        raise DataError(f"{path}: cannot be read ({exc.strerror or exc}); check the path") from exc
    except UnicodeDecodeError as exc:
        raise DataError(f"{path}: not UTF-8 ({exc.reason}); convert it with iconv") from exc


def json_lines(path: Path, expected: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the numbered JSON objects of a file of one a line; `expected` ends the error about another value."""
    for number, line in lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as exc:
            fail(path, number, f"not JSON: {exc.msg} at column {exc.colno}")
        if not isinstance(row, dict):
            fail(path, number, f"a {type(row).__name__}, expected {expected}")
        yield number, row


def fail(path: Path, number: int, reason: str) -> NoReturn:
    """Raise DataError for a line of a file."""
    raise DataError(f"{path}:{number}: {reason}")


def read_run(path: Path) -> pl.DataFrame:
    """Return a run as a candidates table: score descending, then the file's rank, then doc_id; ranks anew from 1."""
    rows = []
    seen: set[tuple[str, str]] = set()
    for number, line in lines(path):
        parts = line.split()
        if len(parts) != 6:
            fail(path, number, f"{len(parts)} columns; a run line is: query Q0 document rank score tag")
        query_id, _, doc_id, rank, score, tag = parts
        if (query_id, doc_id) in seen:
            fail(path, number, f"document {doc_id!r} appears twice for query {query_id!r}")
        seen.add((query_id, doc_id))
        rows.append((query_id, doc_id, _number(path, number, "rank", rank), _number(path, number, "score", score), tag))
    schema = ["query_id", "doc_id", "rank", "score", "searcher"]
    table = pl.DataFrame(rows, schema=schema, orient="row", schema_overrides={"rank": pl.Float64, "score": pl.Float64})
    order = pl.DataFrame({"query_id": table["query_id"].unique(maintain_order=True)}).with_row_index("turn")
    return (
        table.join(order, on="query_id")
        .sort("turn", "score", "rank", "doc_id", descending=[False, True, False, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))
        .select(pl.col(name).cast(kind) for name, kind in CANDIDATES.items())
    )


def read_qrels(path: Path, scale: Scale | None) -> pl.DataFrame:
    """Return qrels as a judgments table of human labels.

    Grades below the scale's lowest (TREC's -1 and -2: spam, not judged relevant) count as the lowest, as
    trec_eval takes them for not relevant; without a scale, negative grades become 0.
    """
    judgments: dict[tuple[str, str], Judgment] = {}
    for number, line in lines(path):
        parts = line.split()
        if len(parts) != 4:
            fail(path, number, f"{len(parts)} columns; a qrels line is: query 0 document grade")
        query_id, _, doc_id, text = parts
        grade = _grade(path, number, text, scale)
        if judgments.setdefault((query_id, doc_id), Judgment(query_id, doc_id, grade, "human")).grade != grade:
            fail(path, number, f"document {doc_id!r} of query {query_id!r} has two different grades")
    return judgments_table(judgments.values())


def read_topics(path: Path) -> list[Query]:
    """Return queries from lines `id<TAB>text`, or from TREC `<top>` blocks (number and title)."""
    numbered = list(lines(path))
    if numbered and numbered[0][1].lstrip().lower().startswith("<top>"):
        return list(_topic_blocks(path, "\n".join(line for _, line in numbered)))
    queries = []
    for number, line in numbered:
        query_id, tab, text = line.partition("\t")
        if not tab or not query_id.strip() or not text.strip():
            fail(path, number, "a topics line is: query id, tab, text")
        queries.append(Query(query_id.strip(), text.strip()))
    return queries


def _topic_blocks(path: Path, text: str) -> Iterator[Query]:
    for number, block in enumerate(re.findall(r"<top>(.*?)</top>", text, re.DOTALL | re.IGNORECASE), 1):
        query_id = re.search(r"<num>\s*(?:Number:)?\s*([^\s<]+)", block, re.IGNORECASE)
        title = re.search(r"<title>\s*(?:Topic:)?\s*([^<]+)", block, re.IGNORECASE)
        if query_id is None or title is None:
            raise DataError(f"{path}: topic {number} has no <num> or no <title>")
        yield Query(query_id.group(1), " ".join(title.group(1).split()))


def _grade(path: Path, number: int, text: str, scale: Scale | None) -> int:
    try:
        grade = int(text)
    except ValueError:
        fail(path, number, f"grade {text!r} is not a whole number")
    if scale is None:
        return max(grade, 0)
    if grade > scale.highest:
        fail(
            path,
            number,
            f"grade {grade} is outside scale {scale.lowest}-{scale.highest}; set [collection] scale or --scale",
        )
    return max(grade, scale.lowest)


def _number(path: Path, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        fail(path, number, f"{name} {text!r} is not a number")
    if value != value or value in (float("inf"), float("-inf")):
        fail(path, number, f"{name} {text!r} is not finite")
    return value
