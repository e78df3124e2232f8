"""Labels that a store lacks, a batch at a time: judged in this process, or on workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from relsearch.cluster.same_model import check_same
from relsearch.core.protocols import Judge, Work, Workers
from relsearch.core.query_pool import QueryPool
from relsearch.core.tables import JUDGMENTS
from relsearch.core.types import Judgment
from relsearch.judge.judge_base import WrappedJudge, judged
from relsearch.judge.store.judgment_parts import KEY, keyed_table

_PAIRS = {
    "pool": pl.Int64,
    "query_id": pl.String,
    "query": pl.String,
    "doc_id": pl.String,
    "text": pl.String,
    KEY: pl.String,
    "absent": pl.Boolean,
}


class Missing(NamedTuple):
    """Pools to judge, each with its documents' keys, and the keys whose labels are wanted."""

    pools: list[tuple[QueryPool, list[str]]]
    absent: set[str]


class SpreadJudge(WrappedJudge):
    """A judge whose labels for a store are made on workers, each of which opens it once."""

    def __init__(self, judge: Judge, opening: Callable[[], Judge], workers: Workers) -> None:
        super().__init__(judge, fingerprint=judge.fingerprint, scale=judge.scale)
        self._opening = opening
        self._workers = workers

    @property
    def truncated(self) -> int:
        """How many documents the workers have not read to the end so far."""
        return self._truncated

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other, made in this process."""
        return self._inner.judge(pools)

    def judge_all_missing(self, batches: Iterable[Missing]) -> Iterator[dict[str, Judgment]]:
        """Yield the wanted labels of each batch by their keys, in any order of the batches.

        Raise an error of ours where a worker opens another judge, whose labels these keys do not name.
        """
        opening = partial(_opened, self._opening, self.fingerprint)
        for table in self._workers.map(opening, map(_table, batches)):
            self._truncated += int(table["truncated"][0]) if table.height else 0
            rows = table.select(list(JUDGMENTS)).iter_rows(named=True)
            yield dict(zip(table[KEY], map(_judgment, rows), strict=True))


def on_workers(opening: Callable[[], Judge], workers: Workers | None) -> Judge:
    """Open a judge that labels on the workers, or in this process where there are none."""
    return opening() if workers is None else SpreadJudge(opening(), opening, workers)


def judge_missing(judge: Judge, missing: Missing) -> dict[str, Judgment]:
    """Return the wanted labels of a batch by their keys."""
    answers = judged(judge, [pool for pool, _ in missing.pools])
    return {
        key: judgment
        for (_, keys), (_, judgments) in zip(missing.pools, answers, strict=True)
        for key, judgment in zip(keys, judgments, strict=True)
        if key in missing.absent
    }


def judge_all_missing(judge: Judge, batches: Iterable[Missing]) -> Iterator[dict[str, Judgment]]:
    """Yield the wanted labels of each batch by their keys; a SpreadJudge's batches come as they are done."""
    if isinstance(judge, SpreadJudge):
        return judge.judge_all_missing(batches)
    return map(partial(judge_missing, judge), batches)


def _opened(opening: Callable[[], Judge], fingerprint: str) -> Work:
    """Open the judge on a worker, and return what labels a batch there; raise ConfigError where it is another judge."""
    judge = opening()
    check_same("judge", judge.fingerprint, fingerprint)

    def work(table: pl.DataFrame) -> pl.DataFrame:
        before = judge.truncated
        found = judge_missing(judge, _missing(table))
        return keyed_table(found).with_columns(truncated=pl.lit(judge.truncated - before))

    return work


def _table(missing: Missing) -> pl.DataFrame:
    """A batch as a table, a row per document."""
    rows = [
        (number, pool.query_id, pool.query, doc_id, text, key, key in missing.absent)
        for number, (pool, keys) in enumerate(missing.pools)
        for doc_id, text, key in zip(pool.doc_ids, pool.texts, keys, strict=True)
    ]
    return pl.DataFrame(rows, schema=_PAIRS, orient="row")


def _missing(table: pl.DataFrame) -> Missing:
    pools = [
        (QueryPool(rows["query_id"][0], rows["query"][0], tuple(rows["doc_id"]), tuple(rows["text"])), list(rows[KEY]))
        for _, rows in table.group_by("pool", maintain_order=True)
    ]
    return Missing(pools, set(table.filter("absent")[KEY]))


def _judgment(row: dict[str, Any]) -> Judgment:
    shares = row["probabilities"]
    return Judgment(**{**row, "probabilities": None if shares is None else tuple(shares)})
