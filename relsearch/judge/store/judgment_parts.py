"""The files of a store of judgments: small Parquet parts, written aside, synced and renamed, and merged as they gather.

Of every 64 parts that are alike in size one is made, so that a store of many labels has few files. A kill between a
merge and the removal of what it merged leaves labels twice, which count once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import replacing
from relsearch.core.files.key_index import KeyIndex
from relsearch.core.tables import JUDGMENTS, judgments_table
from relsearch.core.types import Judgment

KEY = "key"
KEY_BYTES = 32
_PART = "part-{:05d}.parquet"
_MERGED = 64
_LABEL = [name for name in JUDGMENTS if name not in ("query_id", "doc_id")]


class Parts:
    """The parts in a folder that one process has; `known` holds the keys of all labels."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        paths = sorted(directory.glob(_PART.replace("{:05d}", "*")), key=_number)
        keys = [_read(path, [KEY])[KEY] for path in paths]
        self._rows = {path: len(each) for path, each in zip(paths, keys, strict=True)}  # from the oldest part on
        self._last = _number(paths[-1]) if paths else 0
        self.known = KeyIndex(KEY_BYTES)
        self.known.extend(b"".join(pl.concat(keys).unique().str.decode("hex")) if keys else b"")

    def write(self, judged: Mapping[str, Judgment]) -> None:
        """Write the labels that have a grade as one part; merge parts where there are many."""
        graded = {key: judgment for key, judgment in judged.items() if judgment.grade is not None}
        if not graded:
            return
        table = keyed_table(graded)
        with replacing(self._next()) as partial:
            table.write_parquet(partial, compression="zstd")
        self._rows[self._current()] = table.height
        self.known.add_all(list(map(bytes.fromhex, graded)))
        self._merge()

    def labels(self, asked: pl.DataFrame, without_grade: Mapping[str, Judgment]) -> pl.DataFrame:
        """Return a judgments table of what was asked, in its order; `asked` has query_id, doc_id and key (binary)."""
        tables = [keyed_table(without_grade), *(_read(path, [KEY, *_LABEL]) for path in self._rows)]
        labels = pl.concat(table.select(pl.col(KEY).str.decode("hex"), *_LABEL) for table in tables)
        if labels.height > len(self.known) + len(without_grade):
            labels = labels.unique(KEY)
        return asked.join(labels, on=KEY, how="left", maintain_order="left").select(list(JUDGMENTS))

    def _merge(self) -> None:
        """Make one part of the newest ones, as long as 64 of them have no more rows than the newest's size allows."""
        paths = list(self._rows)
        newest = paths[-_MERGED:]
        if len(newest) < _MERGED or max(_size(self._rows[path]) for path in newest) > _size(self._rows[newest[-1]]):
            return
        with replacing(self._next()) as partial:
            pl.scan_parquet(newest, glob=False).sink_parquet(partial, compression="zstd")
        merged = sum(self._rows.pop(path) for path in newest)
        self._rows[self._current()] = merged
        for path in newest:
            path.unlink()
        self._merge()

    def _next(self) -> Path:
        self._last += 1
        return self._current()

    def _current(self) -> Path:
        return self._directory / _PART.format(self._last)


def keyed_table(judged: Mapping[str, Judgment]) -> pl.DataFrame:
    """Return labels as a table: their keys and the columns of judgments."""
    table = judgments_table(judged.values()).with_columns(pl.Series(KEY, list(judged), pl.String))
    return table.select(KEY, *JUDGMENTS)


def _read(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, columns=list(columns), glob=False)
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise ArtifactError(f"{path}: damaged; delete it, and its pairs are judged again") from exc


def _size(rows: int) -> int:
    """0 for a part of up to 255 rows, 1 for one of up to 16,383, and so on, each 64 times the one before."""
    return max(0, (rows.bit_length() - 3) // 6)


def _number(part: Path) -> int:
    return int(part.stem.rpartition("-")[2])
