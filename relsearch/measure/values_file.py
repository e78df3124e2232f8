"""A file of each query's values of each measure, one row for each query, run and measure: CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from relsearch.core.errors import ConfigError
from relsearch.core.files.outputs import check_output
from relsearch.core.files.text_files import read_text, write_text

_COLUMNS = ("query_id", "run", "measure", "value")
_HEADER = ",".join(_COLUMNS)


def check_values_file(path: Path, *, inputs: Iterable[Path], force: bool = False) -> None:
    """Raise ConfigError where the name ends in neither .csv nor .jsonl, DataError where it may not be written.

    With `force` any file may be replaced that is none of the inputs.
    """
    check_output(path, inputs=inputs, ours=_is_values_file, force=force)
    if path.suffix not in (".csv", ".jsonl"):
        raise ConfigError(f"{path}: name a file that ends in .csv or .jsonl")


def write_values(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows with query_id, run, measure and value, in the form that the name ends in; a value may be None."""
    if path.suffix == ".jsonl":
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def _is_values_file(path: Path) -> bool:
    first = read_text(path).partition("\n")[0]
    return first == _HEADER or all(f'"{name}": ' in first for name in _COLUMNS)
