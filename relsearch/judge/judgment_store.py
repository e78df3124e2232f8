"""Judgments as a cache keyed by content: a pair is never judged twice, and an interrupted run goes on.

Each finished batch is one small Parquet part, written aside, synced and renamed; `kill -9` or a power cut loses at
most the batch in hand. The key is the judge's fingerprint, the query's text and the document's text, so ids may
change and labels stay; where a label depends on other documents of the pool, their texts are in the key too. A lock,
which the system drops with the process that holds it, keeps a store to one process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import alone, replacing
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool, pairs_of
from relsearch.core.tables import JUDGMENTS, judgments_table
from relsearch.core.types import Judgment, Pair, StrPath
from relsearch.judge.judge_base import judged

PART_PAIRS = 256
_KEY = "key"
_PART = "part-{:05d}.parquet"


def judge_all(
    judge: Judge,
    pools: Iterable[QueryPool],
    directory: StrPath,
    *,
    wanted: Set[tuple[str, str]] | None = None,
    part_pairs: int = PART_PAIRS,
) -> pl.DataFrame:
    """Return a judgments table of the pools, a row per document, pool by pool; judge only what the store lacks.

    `wanted` names the pairs of query_id and doc_id whose labels are asked for, by default all; of a judge that compares
    the documents of a pool the table has the rest of these pools too. A missing label stands in the table without a
    grade and not in the store: the next run asks for it again. Batches are made of all pairs, known ones included, so
    that an unbroken and an interrupted run batch alike. Raise ArtifactError where another process has the store or a
    part is damaged, DataError where the judge does not give one judgment per document.
    """
    directory = Path(directory)
    asked = [pool.part(_needed(judge, pool, _wanted(pool, wanted))) for pool in pools]
    keys = [label_keys(judge, pool) for pool in asked]
    with alone(directory):
        known = _read(directory)
        for batch in _batches(judge, asked, keys, part_pairs):
            missing = _judged(judge, batch, known.keys())
            _write(directory, missing)
            known |= missing
    return judgments_table(
        replace(known[key], query_id=pair.query_id, doc_id=pair.doc_id)
        for key, pair in zip(chain.from_iterable(keys), pairs_of(asked), strict=True)
    )


def content_key(fingerprint: str, pair: Pair) -> str:
    """Return the store's key of a pair that is judged alone."""
    parts = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in (pair.query, pair.text))
    return hashlib.sha256(" ".join((fingerprint, *parts)).encode()).hexdigest()


def label_keys(judge: Judge, pool: QueryPool) -> list[str]:
    """Return the store's key of each document: its pair's, joined to those of the documents its label depends on."""
    alone = [content_key(judge.fingerprint, pair) for pair in pool.pairs()]
    context = judge.context(pool)
    if not context:
        return alone
    digest = hashlib.sha256("".join(sorted({alone[row] for row in context})).encode()).hexdigest()
    return [hashlib.sha256(f"{key} {digest}".encode()).hexdigest() for key in alone]


def _wanted(pool: QueryPool, wanted: Set[tuple[str, str]] | None) -> list[int]:
    return [row for row, doc_id in enumerate(pool.doc_ids) if wanted is None or (pool.query_id, doc_id) in wanted]


def _needed(judge: Judge, pool: QueryPool, rows: Sequence[int]) -> list[int]:
    """The fewest rows of the pool in whose company these get the labels that they get in the whole."""
    return sorted({*rows, *judge.context(pool)}) if rows else []


def _batches(
    judge: Judge, pools: Sequence[QueryPool], keys: Sequence[list[str]], size: int
) -> Iterator[list[tuple[QueryPool, list[str]]]]:
    """Distinct documents with their keys in batches of `size`; a pool whose labels depend on it is never split."""
    batch: list[tuple[QueryPool, list[str]]] = []
    room = size
    for pool, pool_keys in _distinct(pools, keys):
        start = 0
        while start < len(pool):
            end = len(pool) if judge.context(pool) else min(start + room, len(pool))
            batch.append((pool.part(range(start, end)), pool_keys[start:end]))
            room -= end - start
            start = end
            if room <= 0:
                yield batch
                batch, room = [], size
    if batch:
        yield batch


def _distinct(pools: Sequence[QueryPool], keys: Sequence[list[str]]) -> Iterator[tuple[QueryPool, list[str]]]:
    """The pools without documents whose key came before."""
    seen: set[str] = set()
    for pool, pool_keys in zip(pools, keys, strict=True):
        rows: list[int] = []
        for row, key in enumerate(pool_keys):
            if key not in seen:
                seen.add(key)
                rows.append(row)
        yield pool.part(rows), [pool_keys[row] for row in rows]


def _judged(judge: Judge, batch: Sequence[tuple[QueryPool, list[str]]], known: Set[str]) -> dict[str, Judgment]:
    """The judgments of a batch that are not known, by their keys."""
    asked: list[tuple[QueryPool, list[str]]] = []
    for pool, keys in batch:
        rows = _needed(judge, pool, [row for row, key in enumerate(keys) if key not in known])
        if rows:
            asked.append((pool.part(rows), [keys[row] for row in rows]))
    answers = judged(judge, [pool for pool, _ in asked]) if asked else ()
    return {
        key: judgment
        for (_, keys), (_, judgments) in zip(asked, answers, strict=True)
        for key, judgment in zip(keys, judgments, strict=True)
        if key not in known
    }


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
