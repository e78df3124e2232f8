"""Grade files of pairs with any judge: workers read them and write the judgments, here or in object storage.

The process that asks handles names alone. A part holds the judgments of some thousand pairs and is named after its
pools' content and the judge, so that a second run judges only what is missing, and what is judged twice, as after the
loss of a machine, is written in the same place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

import polars as pl

from relsearch.cluster.same_model import check_same
from relsearch.core import tables
from relsearch.core.display.progress import progress
from relsearch.core.errors import DataError
from relsearch.core.extras import check_packages
from relsearch.core.files.key_index import digest
from relsearch.core.files.storage import PARQUET, Storage, open_storage
from relsearch.core.protocols import Judge, Work, Workers
from relsearch.core.query_pool import QueryPool, in_batches
from relsearch.data.pair_files import pair_files, read_pools
from relsearch.judge.store.judgment_store import judge_pools

PART_PAIRS = 4096
_PART = re.compile(r"part-[0-9a-f]{32}\.parquet")
_WRITTEN: tables.Schema = {"part": pl.String, "grade": pl.Int32, "pairs": pl.Int64}


def grade_pairs(
    pairs: str, output: str, opening: Callable[[], Judge], *, workers: Workers | None = None, force: bool = False
) -> dict[int | None, int]:
    """Judge all pairs of a folder or file, write parts into the folder `output`, and return the pairs of each grade.

    Each worker opens the judge once, which judges whole pools; where there are none, this process does. Raise DataError
    where `output` has a table that `grade` did not write, and at the end where it has parts of other pairs or of
    another judge, unless `force` removes these.
    """
    check_packages("grade of files of pairs", "ray", ("pyarrow",))
    source, target = open_storage(pairs), open_storage(output)
    files = pair_files(source)
    if f"{target.root}/".startswith(f"{source.root}/"):
        raise DataError(f"{target.uri}: is among the files of pairs; name another folder")
    if foreign := [name for name in target.names(PARQUET) if not _PART.fullmatch(name)]:
        raise DataError(f"{target.at(foreign[0])}: there already, and not written by grade; name another folder")
    judge = opening()
    if workers:
        answers = workers.map(partial(_opened, opening, judge.fingerprint, source, target), _tasks(files))
    else:
        answers = map(partial(_graded, judge, source, target), _tasks(progress(files, desc="grade", unit="file")))
    written = pl.concat(answers).unique()
    if stale := sorted(set(target.names(PARQUET)) - set(written["part"])):
        if not force:
            raise DataError(
                f"{target.uri}: {len(stale)} of its parts, such as {stale[0]}, are of other pairs or of another judge; "
                "all pairs asked for are judged: give --force to remove the others"
            )
        for name in stale:
            target.remove(name)
    return dict(written.group_by("grade").agg(pl.col("pairs").sum()).sort("grade").iter_rows())


def write_part(judge: Judge, target: Storage, pools: list[QueryPool]) -> pl.DataFrame:
    """Judge what the part of these pools lacks and write it; return its name and its pairs of each grade."""
    content = json.dumps(
        [judge.fingerprint, *((pool.query_id, pool.query, pool.doc_ids, pool.texts) for pool in pools)]
    )
    name = f"part-{digest(content).hex()}.parquet"
    known = target.table(name)
    labels = tables.judgments_table([]) if known is None else tables.conform(known, tables.JUDGMENTS, target.at(name))
    # Missing labels, of a remote judge for example, are asked for again.
    whole = labels.filter(pl.col("grade").is_not_null().all().over("query_id"))
    done = set(whole["query_id"])
    if missing := [pool for pool in pools if pool.query_id not in done]:
        labels = pl.concat([whole, judge_pools(judge, missing)])
        target.write(name, labels)
    counts = labels.group_by("grade").agg(pairs=pl.len())
    return tables.conform(counts.with_columns(part=pl.lit(name)), _WRITTEN, name)


def _tasks(files: Iterable[str]) -> Iterator[pl.DataFrame]:
    return (pl.DataFrame({"file": [name]}) for name in files)


def _opened(opening: Callable[[], Judge], fingerprint: str, source: Storage, target: Storage) -> Work:
    """Open the judge on a worker, and return what grades the files that a table names."""
    judge = opening()
    check_same("judge", judge.fingerprint, fingerprint)
    return partial(_graded, judge, source, target)


def _graded(judge: Judge, source: Storage, target: Storage, table: pl.DataFrame) -> pl.DataFrame:
    batches = chain.from_iterable(in_batches(read_pools(source, name), PART_PAIRS) for name in table["file"])
    return pl.concat([pl.DataFrame(schema=_WRITTEN), *(write_part(judge, target, batch) for batch in batches)])
