"""Written queries kept by content: no document is written for twice, and an interrupted run goes on.

One JSON line a document, flushed as each batch ends; a line that a kill cut short is left out and written anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from relsearch.core.display.progress import progress
from relsearch.core.errors import ArtifactError

_BATCH = 32
_FILE = "written.jsonl"


def write_all(
    write: Callable[[Sequence[str]], list[list[str]]], texts: Iterable[str], folder: Path, *, fingerprint: str
) -> dict[str, list[str]]:
    """Return the queries of each distinct text, in the order of the texts; ask only for what the folder lacks."""
    distinct = {_key(fingerprint, text): text for text in texts}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _FILE
    known = _read(path)
    missing = [key for key in distinct if key not in known]
    with (
        path.open("a", encoding="utf-8") as stream,
        progress(total=len(missing), desc="write queries", unit="doc") as bar,
    ):
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            found = dict(zip(batch, write([distinct[key] for key in batch]), strict=True))
            stream.write("".join(json.dumps({"key": key, "queries": found[key]}) + "\n" for key in batch))
            stream.flush()
            os.fsync(stream.fileno())
            known |= found
            bar.update(len(batch))
    return {text: known[key] for key, text in distinct.items()}


def _read(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):  # a line that was cut: the next one must not go on from it
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    try:
        rows = [json.loads(line) for line in whole.decode("utf-8").splitlines()]
        return {row["key"]: row["queries"] for row in rows}
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(f"{path}: damaged; delete it, and its queries are written again") from exc


def _key(fingerprint: str, text: str) -> str:
    return hashlib.sha256(f"{fingerprint} {text}".encode("utf-8", "surrogatepass")).hexdigest()
