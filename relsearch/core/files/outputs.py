"""What a verb may write: nothing that it reads, and no file but those that relsearch wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.types import StrPath

# Of what other formats are called: text of TREC's under such a name would mislead whoever opens it.
_OTHER_FORMATS = (".parquet", ".csv", ".json", ".jsonl", ".ndjson", ".html", ".xlsx")


def check_ending(path: StrPath, what: str, *, table: bool = False) -> None:
    """Raise ConfigError where the name of a file of TREC's ends as another format's; a `table` may be .parquet."""
    ending = Path(path).suffix.lower()
    if ending in _OTHER_FORMATS and not (table and ending == ".parquet"):
        tables = " or a table (.parquet)" if table else ""
        raise ConfigError(f"{path}: what is written is {what}{tables}, no {ending}; name it so")


def check_output(
    path: StrPath, *, inputs: Iterable[StrPath], ours: Callable[[Path], bool], force: bool = False
) -> None:
    """Raise DataError where `path` is one of the inputs, cannot be written, or holds what `ours` does not know.

    Called before any work, so that nobody waits for hours to hear it. An empty file may be replaced, and with `force`
    any file that is no input.
    """
    path = Path(path)
    for read in map(Path, inputs):
        if path.exists() and read.exists() and path.samefile(read):
            raise DataError(f"{path}: is read and would be replaced; name another file to write")
    if path.exists():
        if not path.is_file():
            raise DataError(f"{path}: is no file; name a file to write")
        if path.stat().st_size and not (force or ours(path)):
            raise DataError(
                f"{path}: there already, and not as this command writes it; move it, name another, or give --force"
            )
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{path}: cannot be written, since {folder} is no folder that you may write to")
