"""A file of JSON lines that only grows: each line is on the disk before `append` returns.

A process that is killed loses no line that `append` returned for; of one that it was writing, a part may stand at the
end, which is cut off when the file is opened.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relsearch.core.errors import DataError


class Journal:
    """An open journal; `rows` are its lines so far, as objects."""

    def __init__(self, path: Path) -> None:
        self._path = path
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(path, len(whole))
        self.rows = [_row(path, number, line) for number, line in enumerate(whole.splitlines(), 1)]

    def append(self, row: Mapping[str, Any]) -> None:
        """Add an object, with the time, and wait until the disk has it; where that fails, nothing is added."""
        added = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **row}
        line = json.dumps(added, ensure_ascii=True).encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)  # a part of a line would spoil the next one
                raise
        finally:
            os.close(descriptor)
        self.rows.append(added)


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as exc:
        raise DataError(f"{path}:{number}: not JSON; mend or remove the line") from exc
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: not a JSON object; mend or remove the line")
    return row
