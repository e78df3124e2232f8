"""Texts by id in a temporary file, so that memory holds some 50 bytes of each, however long it is."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from weakref import finalize

from relsearch.core.files.key_index import KeyIndex, digest

_ENCODING = ("utf-8", "surrogatepass")  # JSON can carry half a surrogate pair


class DiskTexts(Mapping[str, str]):
    """Texts by distinct ids, read when they are looked up; the file goes with the object."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the object
        finalize(self, self._file.close)
        self._places = KeyIndex(16)
        self._ends = array("q", [0])  # of each id, then of its text
        keys = bytearray()
        for name, text in texts:
            keys += digest(name)
            for part in (name, text):
                self._ends.append(self._ends[-1] + self._file.write(part.encode(*_ENCODING)))
        self._places.extend(bytes(keys))  # all at once: that sorts them once
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and digest(name) in self._places

    def __getitem__(self, name: str) -> str:
        place = self._places.place(digest(name))
        if place is None:
            raise KeyError(name)
        return self._read(2 * place + 1)

    def __iter__(self) -> Iterator[str]:
        return (self._read(2 * place) for place in range(len(self)))

    def _read(self, part: int) -> str:
        start, end = self._ends[part], self._ends[part + 1]
        with self._lock:
            self._file.seek(start)
            return self._file.read(end - start).decode(*_ENCODING)
