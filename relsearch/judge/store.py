"""Judgments as a cache keyed by content: a pair is never judged twice, and an interrupted run goes on.

Each finished batch is one small Parquet part, written aside and renamed; `kill -9` loses at most the batch in hand.
The key is the judge's fingerprint, the query's text and the document's text, so ids may change and labels stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import polars as pl

from relsearch.errors import DataError
from relsearch.protocols import Judge
from relsearch.tables import JUDGMENTS, judgments_table
from relsearch.types import Judgment, Pair

PART_PAIRS = 256
_KEY = "key"
_PART = "part-{:05d}.parquet"


def judge_all(judge: Judge, pairs: Sequence[Pair], directory: Path, *, part_pairs: int = PART_PAIRS) -> pl.DataFrame:
    """Return a judgments table with one row a pair, in the order of the pairs; judge only what the store lacks.

    A missing label stands in the table without a grade and not in the store: the next run asks for it again.
    Parts are cut from the whole list, known pairs included, so an unbroken and a resumed run batch alike.
    """
    directory.mkdir(parents=True, exist_ok=True)
    keys = [content_key(judge.fingerprint, pair) for pair in pairs]
    known = _read(directory)
    for batch in _batches(keys, pairs, part_pairs):
        missing = {key: pair for key, pair in batch.items() if key not in known}
        if missing:
            judged = dict(zip(missing, _judged(judge, list(missing.values())), strict=True))
            _write(directory, judged)
            known |= judged
    return judgments_table(
        replace(known[key], query_id=pair.query_id, doc_id=pair.doc_id) for key, pair in zip(keys, pairs, strict=True)
    )


def content_key(fingerprint: str, pair: Pair) -> str:
    """Return the store's key of a pair under a judge."""
    parts = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in (pair.query, pair.text))
    return hashlib.sha256(" ".join((fingerprint, *parts)).encode()).hexdigest()


def _batches(keys: Sequence[str], pairs: Sequence[Pair], size: int) -> Iterator[dict[str, Pair]]:
    distinct: dict[str, Pair] = {}
    for key, pair in zip(keys, pairs, strict=True):
        distinct.setdefault(key, pair)
    ordered = iter(distinct.items())
    while batch := dict(islice(ordered, size)):
        yield batch


def _judged(judge: Judge, pairs: list[Pair]) -> list[Judgment]:
    judgments = list(judge.judge(pairs))
    if [(one.query_id, one.doc_id) for one in judgments] != [(pair.query_id, pair.doc_id) for pair in pairs]:
        raise DataError(f"judge {judge.fingerprint}: did not give one judgment a pair in order; mend the judge")
    return judgments


def _read(directory: Path) -> dict[str, Judgment]:
    known: dict[str, Judgment] = {}
    for path in sorted(directory.glob(_PART.replace("{:05d}", "*"))):
        for row in pl.read_parquet(path).iter_rows(named=True):
            key = row.pop(_KEY)
            known[key] = Judgment(**{**row, "probabilities": row["probabilities"] and tuple(row["probabilities"])})
    return known


def _write(directory: Path, judged: dict[str, Judgment]) -> None:
    graded = {key: judgment for key, judgment in judged.items() if judgment.grade is not None}
    if not graded:
        return
    parts = sorted(directory.glob(_PART.replace("{:05d}", "*")))
    number = int(parts[-1].stem.rpartition("-")[2]) + 1 if parts else 1
    path = directory / _PART.format(number)
    partial = path.with_name(path.name + ".partial")
    table = judgments_table(graded.values()).with_columns(pl.Series(_KEY, list(graded)))
    table.select(_KEY, *JUDGMENTS).write_parquet(partial, compression="zstd")
    partial.replace(path)
