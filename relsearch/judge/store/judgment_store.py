"""Judgments as a cache keyed by content: a pair is never judged twice, and an interrupted run goes on.

Each finished batch is one small Parquet part; `kill -9` or a power cut loses at most the batch in hand. The key
is the judge's fingerprint, the query's text and the document's text, so ids may change and labels stay; where a label
depends on other documents of the pool, their texts are in the key too. A lock, which the system drops with the process
that holds it, keeps a store to one process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

import polars as pl

from relsearch.core.display.progress import progress
from relsearch.core.files.atomic import alone
from relsearch.core.files.key_index import KeyIndex
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment, Pair, StrPath
from relsearch.judge.store.judgment_parts import KEY, KEY_BYTES, Parts
from relsearch.judge.store.missing import Missing, judge_all_missing, judge_missing

PART_PAIRS = 256
_BLOCK = 100_000  # documents whose ids and keys are Python objects at once
_ASKED = {"query_id": pl.String, "doc_id": pl.String, KEY: pl.Binary}


def judge_all(
    judge: Judge,
    pools: Iterable[QueryPool],
    directory: StrPath,
    *,
    wanted: Set[tuple[str, str]] | None = None,
    part_pairs: int = PART_PAIRS,
    total: int | None = None,
) -> pl.DataFrame:
    """Return a judgments table of the pools, a row per document, pool by pool; judge only what the store lacks.

    `wanted` names the pairs of query_id and doc_id whose labels are asked for, by default all; of a judge that compares
    the documents of a pool the table has the rest of these pools too. A missing label stands in the table without a
    grade and not in the store: the next run asks for it again. Batches are made of all pairs, known ones included, so
    that an unbroken and an interrupted run batch alike. `total`, the number of pairs, lets the progress bar tell the
    time left where pools are no sequence. They are taken one by one, so their texts need not fit into memory. Raise
    ArtifactError where another process has the store or a part is damaged, DataError where the judge does not give one
    judgment per document.
    """
    directory = Path(directory)
    asked = _Asked(judge, wanted)
    if isinstance(pools, Sequence):
        total = sum(len(asked.rows(pool)) for pool in pools)
    with alone(directory), progress(desc="judge", unit="pair", total=total) as bar:
        parts = Parts(directory)
        without_grade: dict[str, Judgment] = {}
        batches = _batches(judge, map(asked.take, pools), part_pairs)
        for found in judge_all_missing(judge, _missing(judge, batches, parts.known, bar.update)):
            parts.write(found)
            without_grade |= {key: judgment for key, judgment in found.items() if judgment.grade is None}
            bar.update(len(found))
        return parts.labels(asked.table(), without_grade)


def judge_pools(judge: Judge, pools: Iterable[QueryPool]) -> pl.DataFrame:
    """Return the judgments table that `judge_all` returns, without a store; all texts and labels are in memory."""
    asked = _Asked(judge, None)
    found: dict[str, Judgment] = {}
    for batch in _batches(judge, map(asked.take, pools), PART_PAIRS):
        found |= judge_missing(judge, Missing(batch, {key for _, keys in batch for key in keys}))
    rows = asked.table().iter_rows()
    return judgments_table(replace(found[key.hex()], query_id=name, doc_id=doc_id) for name, doc_id, key in rows)


class _Asked:
    """What is asked of a judge: each pool as it passes, and in the end the ids and keys of all their documents."""

    def __init__(self, judge: Judge, wanted: Set[tuple[str, str]] | None) -> None:
        self._judge = judge
        self._wanted = wanted
        self._blocks: list[pl.DataFrame] = []
        self._columns: tuple[list[str], list[str], list[bytes]] = ([], [], [])

    def rows(self, pool: QueryPool) -> list[int]:
        """Return the rows of a pool that have to be judged."""
        return _needed(self._judge, pool, _wanted_rows(pool, self._wanted))

    def take(self, pool: QueryPool) -> tuple[QueryPool, list[str]]:
        """Return the part of a pool that has to be judged, and its keys."""
        part = pool.part(self.rows(pool))
        keys = label_keys(self._judge, part)
        query_ids, doc_ids, found = self._columns
        query_ids += [part.query_id] * len(part)
        doc_ids += part.doc_ids
        found += map(bytes.fromhex, keys)
        if len(found) >= _BLOCK:
            self._close()
        return part, keys

    def table(self) -> pl.DataFrame:
        """Return query_id, doc_id and key, a row per document."""
        self._close()
        return pl.concat(self._blocks)

    def _close(self) -> None:
        self._blocks.append(pl.DataFrame(dict(zip(_ASKED, self._columns, strict=True)), schema=_ASKED))
        self._columns = ([], [], [])


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


def _wanted_rows(pool: QueryPool, wanted: Set[tuple[str, str]] | None) -> list[int]:
    return [row for row, doc_id in enumerate(pool.doc_ids) if wanted is None or (pool.query_id, doc_id) in wanted]


def _needed(judge: Judge, pool: QueryPool, rows: Sequence[int]) -> list[int]:
    """The fewest rows to judge together for these to get the labels that they get in the whole pool."""
    return sorted({*rows, *judge.context(pool)}) if rows else []


def _batches(
    judge: Judge, pools: Iterable[tuple[QueryPool, list[str]]], size: int
) -> Iterator[list[tuple[QueryPool, list[str]]]]:
    """Distinct documents with their keys in batches of `size`; a pool whose labels depend on it is never split."""
    batch: list[tuple[QueryPool, list[str]]] = []
    room = size
    for pool, pool_keys in _distinct(pools):
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


def _distinct(pools: Iterable[tuple[QueryPool, list[str]]]) -> Iterator[tuple[QueryPool, list[str]]]:
    """The pools without documents whose key came before."""
    seen = KeyIndex(KEY_BYTES)
    for pool, pool_keys in pools:
        rows = [row for row, new in enumerate(seen.add_all(list(map(bytes.fromhex, pool_keys)))) if new]
        yield pool.part(rows), [pool_keys[row] for row in rows]


def _missing(
    judge: Judge,
    batches: Iterable[Sequence[tuple[QueryPool, list[str]]]],
    known: KeyIndex,
    advance: Callable[[int], object],
) -> Iterator[Missing]:
    """What is not known of each batch that is not known as a whole; `advance` gets the numbers of known documents."""
    for batch in batches:
        asked: list[tuple[QueryPool, list[str]]] = []
        absent: set[str] = set()
        for pool, keys in batch:
            unknown = [row for row, place in enumerate(known.places(list(map(bytes.fromhex, keys)))) if place is None]
            absent |= {keys[row] for row in unknown}
            if rows := _needed(judge, pool, unknown):
                asked.append((pool.part(rows), [keys[row] for row in rows]))
        advance(sum(len(keys) for _, keys in batch) - len(absent))
        if asked:
            yield Missing(asked, absent)
