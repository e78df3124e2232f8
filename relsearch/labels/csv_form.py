"""The CSV that people grade pairs in: written for spreadsheets, read back from whatever they made of it.

A spreadsheet runs a cell that starts with = + - @, and rewrites ids such as 007 or 1e5. Such cells get an apostrophe
in front, which reading takes away from ids again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.files.text_files import csv_rows, fail
from relsearch.core.ids import id_fault, shown
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment, Scale, StrPath

COLUMNS = ("query_id", "doc_id", "query", "passage", "grade", "judged_grade", "uncertainty", "rank")
_NEEDED = ("query_id", "doc_id", "grade")
_SIGN = "[=+\\-@＝＋－＠]"
# After ";" too: where the decimal sign is a comma, spreadsheets split cells there.
_RUNS = re.compile(rf"(^|;\s*)(?={_SIGN})")
_SAFE_ID = re.compile(rf"0|[1-9]\d{{0,14}}|(?!{_SIGN})[^\d'].*")
_GRADE = re.compile(r"(\d{1,9})(?:\.0*)?")  # "2.0" is what a table library makes of 2 in a column with empty cells


@dataclass(frozen=True, slots=True)
class Filled:
    """What people filled in: a judgments table with the column `line`, and how many rows have no grade."""

    labels: pl.DataFrame
    skipped: int


def to_csv(
    picked: pl.DataFrame,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    *,
    characters: int,
    show_judged: bool = False,
) -> str:
    """Return picked pairs as CSV with an empty column `grade`, one line a pair; raise DataError without a text.

    Texts are cut to `characters`. The judge's grade stands there only if asked for: assessors lean towards it.
    """
    names = [name for name in COLUMNS if show_judged or name != "judged_grade"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in picked.iter_rows(named=True):
        ids = {name: _guarded_id(row[name]) for name in ("query_id", "doc_id")}
        query = _cell(_text(row["query_id"], "query", queries), characters)
        writer.writerow(
            row | ids | {"query": query, "passage": _cell(_text(row["doc_id"], "document", documents), characters)}
        )
    return text.getvalue()


def read_csv(path: StrPath, scale: Scale, *, judged: pl.DataFrame | None = None) -> Filled:
    """Return the labels of a filled CSV, whichever of , ; or tab its header is written with.

    Raise DataError with file and line where a column is unknown, a grade is not on the scale, a pair has two grades,
    or is not one of the judgments table `judged`.
    """
    known = None if judged is None else set(judged.select("query_id", "doc_id").iter_rows())
    found: dict[tuple[str, str], tuple[int, int]] = {}
    skipped = 0
    for line, row in _rows(path):
        pair = _id(path, line, row["query_id"]), _id(path, line, row["doc_id"])
        if known is not None and pair not in known:
            fail(path, line, f"{_name(pair)} is not among the judgments; a spreadsheet may have changed an id")
        if not row["grade"].strip():
            skipped += 1
            continue
        grade = _grade(path, line, row["grade"].strip(), scale)
        first, other = found.setdefault(pair, (line, grade))
        if other != grade:
            fail(path, line, f"{_name(pair)} has grade {grade} here and {other} in line {first}; keep one")
    if not found:
        raise DataError(f"{path}: no row has a grade; fill in the column 'grade'")
    labels = judgments_table(Judgment(*pair, grade, "human") for pair, (_, grade) in found.items())
    return Filled(labels.with_columns(line=pl.Series([line for line, _ in found.values()])), skipped)


def _text(key: str, kind: str, texts: Mapping[str, str]) -> str:
    if key not in texts:
        raise DataError(f"{kind} {key!r} is judged but has no text; pass the collection that was judged")
    return texts[key]


def _cell(text: str, limit: int) -> str:
    """One guarded line, so that the file's line numbers are the spreadsheet's rows."""
    line = " | ".join(filter(None, (" ".join(part.split()) for part in text.split("\n"))))
    shown = "".join(sign if sign.isprintable() else " " for sign in line)
    return _RUNS.sub(r"\1'", shown if len(shown) <= limit else f"{shown[: limit - 1]}…")


def _guarded_id(text: str) -> str:
    if fault := id_fault(text):
        raise DataError(f"id {shown(text)} {fault}")
    return text if _SAFE_ID.fullmatch(text) else f"'{text}"


def _id(path: StrPath, line: int, cell: str) -> str:
    text = cell.strip().removeprefix("'")
    if fault := id_fault(text):
        fail(path, line, f"id {shown(text)} {fault}")
    return text


def _grade(path: StrPath, line: int, text: str, scale: Scale) -> int:
    found = _GRADE.fullmatch(text)
    if not found or int(found[1]) not in scale.grades:
        fail(
            path,
            line,
            f"grade {shown(text)} is not one of {', '.join(map(str, scale.grades))}; correct it or set --scale",
        )
    return int(found[1])


def _name(pair: tuple[str, str]) -> str:
    return f"query {pair[0]!r}, document {pair[1]!r}"


def _rows(path: StrPath) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows that are not blank, each with the number of its first line."""
    rows = csv_rows(path, ",;\t")
    line, cells = next(rows, (1, []))
    header = [name.strip() for name in cells]
    _check_header(path, line, header)
    for line, cells in rows:
        if len(cells) != len(header):
            fail(path, line, f"{len(cells)} cells, the header has {len(header)}; quote cells with separators")
        yield line, dict(zip(header, cells, strict=True))


def _check_header(path: StrPath, line: int, header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            fail(path, line, f"column {name!r} is unknown or there twice; keep the header: {','.join(COLUMNS)}")
    for name in _NEEDED:
        if name not in header:
            fail(path, line, f"no column {name!r}; keep the header: {','.join(COLUMNS)}")
