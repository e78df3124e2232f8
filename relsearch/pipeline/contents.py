"""What stands outside a pipeline by its content: files and folders that settings name may change under one path.

A digest is kept with the file's size, times and inode, so that an unchanged file is read once. As git does, one that
was changed within seconds of its digest is read again: a second change may have left all of these alike.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from relsearch.core.files.atomic import checksum, replace_bytes
from relsearch.core.settings.section import Outside

_SURE_AFTER_NS = 2_000_000_000


class _Seen(NamedTuple):
    size: int
    changed_ns: int
    inode: int
    read_ns: int
    digest: str


_FILE = TypeAdapter(dict[str, _Seen])


class Contents:
    """Digests of files and folders, kept from run to run in one file."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._seen = _read(kept)
        self._new = False

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file, or of the names and digests of all files below a folder that are not hidden."""
        if path.is_file():
            return self._file(path)
        parts = ((str(each.relative_to(path)), self._file(each)) for each in _visible(path))
        return hashlib.sha256("\n".join(f"{digest} {name}" for name, digest in parts).encode()).hexdigest()

    def save(self) -> None:
        """Keep what was read."""
        if self._new:
            replace_bytes(self._kept, _FILE.dump_json(self._seen))
            self._new = False

    def _file(self, path: Path) -> str:
        about = path.stat()
        changed = max(about.st_mtime_ns, about.st_ctime_ns)
        seen = self._seen.get(str(path.absolute()))
        if (
            seen
            and (seen.size, seen.changed_ns, seen.inode) == (about.st_size, changed, about.st_ino)
            and seen.read_ns - changed > _SURE_AFTER_NS
        ):
            return seen.digest
        now, digest = time.time_ns(), checksum(path)
        self._seen[str(path.absolute())] = _Seen(about.st_size, changed, about.st_ino, now, digest)
        self._new = True
        return digest


def named_outside(section: BaseModel) -> Iterator[tuple[str, str]]:
    """Yield key and value of each setting that names something outside, nested sections' too."""
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, BaseModel):
                yield from ((f"{key}.{inner}", name) for inner, name in named_outside(each))
            elif each and any(isinstance(mark, Outside) for mark in field.metadata):
                yield key, str(each)


def _visible(folder: Path) -> list[Path]:
    paths = ((path, path.relative_to(folder).parts) for path in folder.rglob("*"))
    return sorted(path for path, parts in paths if path.is_file() and not any(part.startswith(".") for part in parts))


def _read(path: Path) -> dict[str, _Seen]:
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError):  # what is not kept is read again
        return {}
