"""Search logs as queries: normalised, every text once with its count, rare and personal ones left out."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relsearch.core.errors import DataError
from relsearch.core.files.text_files import csv_rows, fail, json_lines
from relsearch.core.ids import shown
from relsearch.core.types import StrPath
from relsearch.data.pool import normalised

MAX_CHARACTERS = 200  # longer texts are pasted documents, not queries
_EMAIL_LIKE = re.compile(r"\S@\S+\.\w")
_MOST_DIGITS = 15
_COUNT_KEY = "count"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """A query as most people typed it, and how often it was asked in all its spellings."""

    query_id: str
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class QueryLog:
    """The queries kept, most frequent first; how many log rows there were, and how many rows went and why."""

    queries: tuple[LoggedQuery, ...]
    rows: int
    dropped: Mapping[str, int]

    def to_jsonl(self) -> str:
        """Return the lines of a collection's queries.jsonl."""
        rows = ({"_id": each.query_id, "text": each.text, "metadata": {"count": each.count}} for each in self.queries)
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def is_query_log(path: StrPath) -> bool:
    """Whether a file is queries with counts, as QueryLog.to_jsonl gives them."""
    try:
        return all(
            row.keys() == {"_id", "text", "metadata"} and row["metadata"].keys() == {"count"}
            for _, row in json_lines(path, "a query")
        )
    except (DataError, AttributeError):
        return False


def read_query_log(
    path: StrPath,
    *,
    text_key: str = "query",
    count_key: str | None = None,
    min_count: int = 1,
    drop_personal: bool = False,
) -> QueryLog:
    """Read a JSONL, CSV or TSV log (.gz and .zst too) of one query a row; a row without a count counts once.

    `count_key` is by default `count`, which a log need not have; one that is given must be in some row.

    Texts that differ only in case, punctuation or spaces are one query. `drop_personal` leaves out texts that
    hold an e-mail-like string or no letter at all (telephone, card and customer numbers). Ids are a hash of the
    normalised text, so a later import gives the same query the same id. Raise DataError for a broken row, or where no
    row has the `count_key` that is given.
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    dropped: Counter[str] = Counter()
    rows = 0
    names: dict[str, None] = {}
    for number, row in _rows(Path(path)):
        rows += 1
        names |= dict.fromkeys(row)
        text = clean(_query_text(path, number, row, text_key))
        if reason := _unwanted(text, drop_personal=drop_personal):
            dropped[reason] += 1
        else:
            spellings[normalised(text)][text] += _count(path, number, row, count_key or _COUNT_KEY)
    if rows and count_key is not None and count_key not in names:
        raise DataError(f"{path}: no row has {count_key!r}, but {shown(list(names))}; name the column with --count-key")
    kept = [_query(key, spelt) for key, spelt in spellings.items() if spelt.total() >= min_count]
    dropped["rare"] = len(spellings) - len(kept)
    ordered = sorted(kept, key=lambda query: (-query.count, query.text))
    return QueryLog(tuple(ordered), rows, {reason: count for reason, count in sorted(dropped.items()) if count})


def clean(text: str) -> str:
    """Return the text in NFKC without control characters and extra spaces."""
    plain = (" " if unicodedata.category(sign)[0] == "C" else sign for sign in unicodedata.normalize("NFKC", text))
    return " ".join("".join(plain).split())


def _query(key: str, spelt: Counter[str]) -> LoggedQuery:
    text = min(spelt, key=lambda spelling: (-spelt[spelling], spelling))
    return LoggedQuery(hashlib.sha256(key.encode()).hexdigest()[:12], text, spelt.total())


def _unwanted(text: str, *, drop_personal: bool) -> str | None:
    if not text:
        return "empty"
    if len(text) > MAX_CHARACTERS:
        return "too long"
    if drop_personal and (_EMAIL_LIKE.search(text) or not any(sign.isalpha() for sign in text)):
        return "personal"
    return None


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    kind = path.with_suffix("").suffix if path.suffix in (".gz", ".zst") else path.suffix
    if kind in _DELIMITERS:
        return _delimited(path, _DELIMITERS[kind])
    if kind in (".jsonl", ".json", ".ndjson"):
        return json_lines(path, "an object; one log row a line")
    raise DataError(f"{path}: a log is .jsonl, .csv or .tsv, .gz or .zst too; rename it to say which")


def _delimited(path: StrPath, delimiter: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = csv_rows(path, delimiter)
    _, header = next(rows, (1, []))
    for number, cells in rows:
        if len(cells) > len(header):
            fail(path, number, f"{len(cells)} cells, the header has {len(header)}; quote cells with separators")
        yield number, dict(zip(header, cells, strict=False))


def _query_text(path: StrPath, number: int, row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        names = ", ".join(str(name) for name in row)
        fail(path, number, f"no {key!r} among {names}; name the column with --text-key")
    text = row[key]
    if not isinstance(text, str | None):
        fail(path, number, f"{key!r} is a {type(text).__name__}; a query is text")
    return text or ""


def _count(path: StrPath, number: int, row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    if value is None or value == "":
        return 1
    digits = str(value).strip()
    if isinstance(value, bool | float) or not digits.isdecimal() or len(digits) > _MOST_DIGITS:
        fail(path, number, f"{key!r} is {shown(value)}; a count is a whole number")
    return int(digits)
