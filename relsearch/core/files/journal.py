"""Finished work as JSON lines, so that a run that was killed goes on: one line an item, the last one cut or whole."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import alone

ROWS = "rows.jsonl"
_SYNC_EVERY_S = 1.0  # a power cut loses no more than this, kill -9 nothing that was written


class Journal:
    """An append-only file of JSON objects."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        drop_cut_line(path)
        self._stream = path.open("ab")
        self._synced = time.monotonic()

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row, which a kill leaves there."""
        self._stream.write(json.dumps(row).encode() + b"\n")
        self._stream.flush()
        if time.monotonic() - self._synced > _SYNC_EVERY_S:
            self._sync()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that are written; raise ArtifactError where the file is damaged."""
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    row = json.loads(line)
                except ValueError as exc:
                    raise ArtifactError(f"{self._path}:{number}: damaged; delete the file and run again") from exc
                yield row

    def close(self) -> None:
        """Sync and close the file."""
        self._sync()
        self._stream.close()

    def _sync(self) -> None:
        os.fsync(self._stream.fileno())
        self._synced = time.monotonic()


@contextmanager
def unfinished(output: Path, *, drops: tuple[type[Exception], ...] = ()) -> Iterator[Journal]:
    """Yield the journal of what is to become `output`; it stands beside that until the block ends well.

    An error among `drops` ends it as well: what was done is of no use then. Raise ArtifactError where another process
    writes it.
    """
    folder = output.with_name(f"{output.name}.unfinished")
    try:
        with alone(folder), closing(Journal(folder / ROWS)) as journal:
            yield journal
    except drops:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def drop_cut_line(path: Path) -> None:
    """Cut what follows a file's last line end, if it is there: the next row must not go on from it."""
    if not path.is_file():
        return
    with path.open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 2**16)
            stream.seek(start)
            found = stream.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        stream.truncate(end)
