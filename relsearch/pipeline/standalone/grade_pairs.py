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

import polars as pl

from relsearch.cluster.same_model import check_same
from relsearch.core import tables
from relsearch.core.display.progress import progress
from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError
from relsearch.core.extras import check_packages
from relsearch.core.files.key_index import digest
from relsearch.core.files.storage import PARQUET, Storage, open_storage
from relsearch.core.protocols import Judge, Work, Workers
from relsearch.core.query_pool import QueryPool, in_batches
from relsearch.data.pair_files import PAIRS, pair_files, read_pools
from relsearch.judge.store.judgment_store import judge_pools

PART_PAIRS = 4096
_PART = re.compile(r"part-[0-9a-f]{32}\.parquet")
# A row for each part: how many pairs have which grade, and a hash of each query, by which pools in pieces are found.
_WRITTEN: tables.Schema = {
    "part": pl.String,
    "file": pl.String,
    "grade": pl.List(pl.Int32),
    "pairs": pl.List(pl.UInt32),
    "query": pl.List(pl.UInt64),
}


def grade_pairs(
    pairs: str, output: str, opening: Callable[[], Judge], *, workers: Workers | None = None, force: bool = False
) -> dict[int | None, int]:
    """Judge all pairs of a folder or file, write parts into the folder `output`, and return the pairs of each grade.

    Each worker opens the judge once, which judges whole pools; where there are none, this process does. Raise DataError
    where `output` cannot be written, has a table that `grade` did not write, or begins with a part of another judge;
    and at the end where a query stood in several files, where parts are not in `output`, and where it has parts of
    other pairs or of another judge. `force` removes these.
    """
    check_packages("grade of files of pairs", "ray", ("pyarrow",))
    source, target = open_storage(pairs), open_storage(output)
    files = pair_files(source)
    if f"{target.root}/".startswith(f"{source.root}/"):
        raise DataError(f"{target.uri}: is among the files of pairs; name another folder")
    parts = target.names(PARQUET)
    if foreign := [name for name in parts if not _PART.fullmatch(name)]:
        raise DataError(f"{target.at(foreign[0])}: there already, and not written by grade; name another folder")
    target.check_writable()
    judge = opening()
    if parts and not force:
        _check_judge(judge, target, parts[0])
    if workers:
        answers = workers.map(partial(_opened, opening, judge.fingerprint, source, target), _tasks(files))
    else:
        answers = map(partial(_graded, judge, source, target), _tasks(progress(files, desc="grade", unit="file")))
    written = pl.concat(answers).unique("part")
    if written.is_empty():
        raise DataError(f"{source.uri}: its files hold no pair; make them again, with the columns {', '.join(PAIRS)}")
    _check_whole(written, source)
    there = set(target.names(PARQUET))
    if lost := sorted(set(written["part"]) - there):
        raise DataError(
            f"{target.uri}: {counted(len(lost), 'part')} of {written.height}, such as {lost[0]}, cannot be seen from "
            "here; name a folder that is the same one on all machines, or a URI"
        )
    if stale := sorted(there - set(written["part"])):
        if not force:
            raise DataError(
                f"{target.uri}: has {counted(len(stale), 'part')} of other pairs or of another judge, such as "
                f"{stale[0]}; all pairs asked for are judged: give --force to remove the others"
            )
        for name in stale:
            target.remove(name)
    grades = written.explode("grade", "pairs").group_by("grade").agg(pl.col("pairs").cast(pl.Int64).sum())
    return dict(grades.sort("grade").iter_rows())


def write_part(judge: Judge, target: Storage, file: str, pools: list[QueryPool]) -> pl.DataFrame:
    """Judge what the part of these pools, of a file, lacks and write it; return a row that tells of the part."""
    content = json.dumps(
        [judge.fingerprint, *((pool.query_id, pool.query, pool.doc_ids, pool.texts) for pool in pools)]
    )
    name = f"part-{digest(content).hex()}.parquet"
    labels = _labels(target, name)
    # Missing labels, of a remote judge for example, are asked for again.
    whole = labels.filter(pl.col("grade").is_not_null().all().over("query_id"))
    done = set(whole["query_id"])
    if missing := [pool for pool in pools if pool.query_id not in done]:
        labels = pl.concat([whole, judge_pools(judge, missing)])
        target.write(name, labels)
    counts = labels.group_by("grade").agg(pairs=pl.len())
    queries = pl.Series([pool.query_id for pool in pools]).hash()
    row = [[name], [file], [counts["grade"]], [counts["pairs"]], [queries]]
    return pl.DataFrame(dict(zip(_WRITTEN, row, strict=True)), schema=_WRITTEN)


def _tasks(files: Iterable[str]) -> Iterator[pl.DataFrame]:
    return (pl.DataFrame({"file": [name]}) for name in files)


def _opened(opening: Callable[[], Judge], fingerprint: str, source: Storage, target: Storage) -> Work:
    """Open the judge on a worker, and return what grades the files that a table names."""
    judge = opening()
    check_same("judge", judge.fingerprint, fingerprint)
    return partial(_graded, judge, source, target)


def _graded(judge: Judge, source: Storage, target: Storage, table: pl.DataFrame) -> pl.DataFrame:
    (file,) = table["file"]
    batches = in_batches(read_pools(source, file), PART_PAIRS)
    return pl.concat([pl.DataFrame(schema=_WRITTEN), *(write_part(judge, target, file, each) for each in batches)])


def _labels(target: Storage, part: str) -> pl.DataFrame:
    """The labels of a part, no rows where it is not there."""
    found = target.table(part)
    return tables.judgments_table([]) if found is None else tables.conform(found, tables.JUDGMENTS, target.at(part))


def _check_judge(judge: Judge, target: Storage, part: str) -> None:
    """Raise DataError where a part has labels of another judge, which would else show once all pairs are judged."""
    if set(_labels(target, part)["judge"]) != {judge.fingerprint}:
        raise DataError(
            f"{target.at(part)}: has labels of another judge; name another folder, or give --force to replace them"
        )


def _check_whole(written: pl.DataFrame, source: Storage) -> None:
    """Raise DataError where a query stood in several files; no process has seen its whole pool."""
    queries = written.select("file", "query").explode("query").drop_nulls()
    pieces = queries.filter(pl.col("query").is_duplicated()).sort("query", "file")
    if pieces.height:
        first = pieces["file"][:2]
        raise DataError(
            f"{source.uri}: rows of {counted(pieces['query'].n_unique(), 'query')} are in more than one file, for "
            f"example in {first[0]} and {first[1]}, so their pools were judged in pieces; write all rows of a query "
            "into one file and grade again with --force"
        )
