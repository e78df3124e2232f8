"""Judgments as a cache keyed by content: a pair is never judged twice, and an interrupted run goes on.

Each finished batch is one small Parquet part, written aside, synced and renamed; `kill -9` or a power cut loses at
most the batch in hand. The key is the judge's fingerprint, the query's text and the document's text, so ids may
change and labels stay; of a judge that looks at a query's other pairs it holds these too. A lock, which the system
drops with the process that holds it, keeps a store to one process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from relsearch.core.errors import ArtifactError, DataError
from relsearch.core.files.atomic import alone, replacing
from relsearch.core.protocols import Judge
from relsearch.core.tables import JUDGMENTS, judgments_table
from relsearch.core.types import Judgment, Pair, StrPath

PART_PAIRS = 256
_KEY = "key"
_PART = "part-{:05d}.parquet"


def judge_all(judge: Judge, pairs: Sequence[Pair], directory: StrPath, *, part_pairs: int = PART_PAIRS) -> pl.DataFrame:
    """Return a judgments table with one row a pair, in the order of the pairs; judge only what the store lacks.

    A missing label stands in the table without a grade and not in the store: the next run asks for it again. Parts are
    cut from the whole list, known pairs included, so an unbroken and a resumed run batch alike. Raise ArtifactError
    where another process has the store or a part is damaged.
    """
    directory, keys = Path(directory), _keys(judge, pairs)
    with alone(directory):
        known = _read(directory)
        for batch in _batches(keys, pairs, part_pairs, whole=judge.pooled):
            missing = {key: pair for key, pair in batch.items() if key not in known}
            if missing:
                judged = dict(zip(missing, _judged(judge, list(missing.values())), strict=True))
                _write(directory, judged)
                known |= judged
    return judgments_table(
        replace(known[key], query_id=pair.query_id, doc_id=pair.doc_id) for key, pair in zip(keys, pairs, strict=True)
    )


def content_key(fingerprint: str, pair: Pair) -> str:
    """Return the store's key of a pair under a judge that grades each pair alone."""
    parts = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in (pair.query, pair.text))
    return hashlib.sha256(" ".join((fingerprint, *parts)).encode()).hexdigest()


def _keys(judge: Judge, pairs: Sequence[Pair]) -> list[str]:
    alone = [content_key(judge.fingerprint, pair) for pair in pairs]
    if not judge.pooled:
        return alone
    pools: dict[str, set[str]] = {}
    for key, pair in zip(alone, pairs, strict=True):
        pools.setdefault(pair.query, set()).add(key)
    digests = {query: hashlib.sha256("".join(sorted(pool)).encode()).hexdigest() for query, pool in pools.items()}
    return [
        hashlib.sha256(f"{key} {digests[pair.query]}".encode()).hexdigest()
        for key, pair in zip(alone, pairs, strict=True)
    ]


def _batches(keys: Sequence[str], pairs: Sequence[Pair], size: int, *, whole: bool) -> Iterator[dict[str, Pair]]:
    """Distinct pairs in batches of `size`; with `whole` a batch ends with its last query, so that no pool is split."""
    distinct: dict[str, Pair] = {}
    for key, pair in zip(keys, pairs, strict=True):
        distinct.setdefault(key, pair)
    first = {query: place for place, query in enumerate(dict.fromkeys(pair.query for pair in distinct.values()))}
    ordered = sorted(distinct.items(), key=lambda item: first[item[1].query]) if whole else list(distinct.items())
    while ordered:
        end = min(size, len(ordered))
        while whole and end < len(ordered) and ordered[end][1].query == ordered[end - 1][1].query:
            end += 1
        yield dict(ordered[:end])
        ordered = ordered[end:]


def _judged(judge: Judge, pairs: list[Pair]) -> list[Judgment]:
    judgments = list(judge.judge(pairs))
    if [(one.query_id, one.doc_id) for one in judgments] != [(pair.query_id, pair.doc_id) for pair in pairs]:
        raise DataError(f"judge {judge.fingerprint}: did not give one judgment a pair in order; mend the judge")
    return judgments


def _read(directory: Path) -> dict[str, Judgment]:
    known: dict[str, Judgment] = {}
    for path in _parts(directory):
        for row in _rows(path):
            key = row.pop(_KEY)
            known[key] = Judgment(**{**row, "probabilities": row["probabilities"] and tuple(row["probabilities"])})
    return known


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise ArtifactError(f"{path}: damaged; delete it, and its pairs are judged again") from exc
    return table.iter_rows(named=True)


def _parts(directory: Path) -> list[Path]:
    return sorted(directory.glob(_PART.replace("{:05d}", "*")), key=_number)


def _number(part: Path) -> int:
    return int(part.stem.rpartition("-")[2])


def _write(directory: Path, judged: dict[str, Judgment]) -> None:
    graded = {key: judgment for key, judgment in judged.items() if judgment.grade is not None}
    if not graded:
        return
    path = directory / _PART.format(max(map(_number, _parts(directory)), default=0) + 1)
    table = judgments_table(graded.values()).with_columns(pl.Series(_KEY, list(graded)))
    with replacing(path) as partial:
        table.select(_KEY, *JUDGMENTS).write_parquet(partial, compression="zstd")
