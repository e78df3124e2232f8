"""Written queries kept by content: no document is written for twice, and an interrupted run goes on.

One JSON line a document, flushed as each batch ends; a line that a kill cut short is left out and written anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from relsearch.core.display.progress import progress
from relsearch.core.errors import ArtifactError
from relsearch.core.files.journal import drop_cut_line

_FILE = "written.jsonl"


def write_all(
    write: Callable[[Sequence[str]], list[list[str]]],
    texts: Iterable[str],
    folder: Path,
    *,
    fingerprint: str,
    total: int | None = None,
    at_once: int = 32,
) -> Iterator[list[str]]:
    """Yield the queries of one text after the other; ask only for what the folder lacks.

    Texts are taken `at_once`; `total` says how many there are, so that the time left is known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, remaining = folder / _FILE, iter(texts)
    known = _read(path)
    with path.open("a", encoding="utf-8") as stream, progress(total=total, desc="write queries", unit="doc") as bar:
        while batch := list(islice(remaining, at_once)):
            keys = [_key(fingerprint, text) for text in batch]
            missing = {key: text for key, text in zip(keys, batch, strict=True) if key not in known}
            if missing:
                found = dict(zip(missing, write(list(missing.values())), strict=True))
                stream.write("".join(json.dumps({"key": key, "queries": found[key]}) + "\n" for key in missing))
                stream.flush()
                os.fsync(stream.fileno())
                known |= found
            bar.initial += len(keys) - len(missing)  # was there already, which says nothing of the rate
            bar.update(len(keys))
            yield from (known[key] for key in keys)


def _read(path: Path) -> dict[str, list[str]]:
    drop_cut_line(path)
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8") as stream:
            rows = map(json.loads, stream)
            return {row["key"]: row["queries"] for row in rows}
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(f"{path}: damaged; delete it, and its queries are written again") from exc


def _key(fingerprint: str, text: str) -> str:
    return hashlib.sha256(f"{fingerprint} {text}".encode("utf-8", "surrogatepass")).hexdigest()
