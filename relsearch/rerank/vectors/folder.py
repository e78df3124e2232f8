"""Document vectors in a folder beside the index, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import ValidationError

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import check_replaceable, replace_text
from relsearch.core.files.key_index import KeyIndex, digest
from relsearch.rerank.vectors.interaction import DocumentVectors
from relsearch.rerank.vectors.store import BATCH, Read, StoreFacts

META = "vectors.json"
_LOCK = "lock"
_KEY_BYTES = 16
_KEYS, _ENDS, _POOLED, _TOKENS = "keys.u64", "ends.i64", "pooled.f16", "tokens.i8"


class _Arrays(NamedTuple):
    """The mapped files of so many documents, published together so that a reader never sees half of an append."""

    ends: NDArray[np.int64]
    pooled: NDArray[np.float16]
    tokens: NDArray[np.int8]
    sizes: dict[str, int]  # of the whole rows of each file


class VectorFolder:
    """The vectors of one encoder; only the pages of the asked documents are read.

    A document takes tokens x dimension bytes, two bytes a number of its pooled vector, and 24 for its place. `keys` is
    written last: what an interrupted `add` left beyond it is dropped when the next begins. Threads may look up while
    one adds, and processes that add to one folder take turns.
    """

    def __init__(self, folder: Path, facts: StoreFacts) -> None:
        self.folder = folder
        self.facts = facts
        self._agree()
        self._adding = Lock()
        self._places = KeyIndex(_KEY_BYTES)
        self._load()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def nbytes(self) -> int:
        """The bytes of all files."""
        return sum((self.folder / name).stat().st_size for name in (_KEYS, _ENDS, _POOLED, _TOKENS))

    def lookup(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        """Return the vectors of those texts that are stored."""
        places = [(text, self._places.place(digest(text))) for text in texts]
        arrays = self._arrays  # taken after the places: an append publishes the arrays first
        return {text: _vectors(arrays, place) for text, place in places if place is not None}

    def absent(self, texts: Sequence[str]) -> list[str]:
        """Return those texts that are not stored, each once."""
        return [text for text in dict.fromkeys(texts) if digest(text) not in self._places]

    def add(self, texts: Iterable[str], read: Read) -> int:
        """Read and append the texts that are not stored, some hundred at a time; return how many there were."""
        added, batch = 0, dict[bytes, str]()
        for text in texts:
            key = digest(text)
            if key in self._places or key in batch:
                continue
            batch[key] = text
            if len(batch) == BATCH:
                added += self._append(batch, read)
                batch = {}
        return added + (self._append(batch, read) if batch else 0)

    def _append(self, batch: dict[bytes, str], read: Read) -> int:
        found = dict(zip(batch, read(list(batch.values())), strict=True))
        with self._adding, FileLock(self.folder / _LOCK):
            self._load()  # what another process added meanwhile
            absent = {key: each for key, each in found.items() if key not in self._places}
            if absent:
                self._write(absent)
        return len(absent)

    def _write(self, found: dict[bytes, DocumentVectors]) -> None:
        self._cut()
        ends = self._arrays.ends
        first = int(ends[-1]) if len(ends) else 0
        new_ends = first + np.cumsum([len(each.tokens) for each in found.values()])
        self._extend(_TOKENS, np.concatenate([each.tokens for each in found.values()]))
        self._extend(_POOLED, np.stack([each.pooled for each in found.values()]))
        self._extend(_ENDS, new_ends.astype(np.int64))
        self._extend(_KEYS, np.frombuffer(b"".join(found), dtype=np.uint64))
        self._load()

    def _extend(self, name: str, values: NDArray[np.generic]) -> None:
        with (self.folder / name).open("ab") as stream:
            stream.write(np.ascontiguousarray(values).tobytes())

    def _agree(self) -> None:
        path = self.folder / META
        if not path.is_file():
            check_replaceable(self.folder, None)
            replace_text(path, self.facts.model_dump_json() + "\n")
        try:
            there = StoreFacts.model_validate_json(path.read_bytes())
        except ValidationError as exc:
            raise ArtifactError(f"{path}: damaged; delete the folder, and documents are read again") from exc
        if there != self.facts:
            raise ArtifactError(f"{self.folder}: vectors of another bundle; delete the folder or name another one")

    def _load(self) -> None:
        """Map the whole rows of the files; what an interrupted append left beyond them is passed over."""
        for path in (self.folder / name for name in (_KEYS, _ENDS, _POOLED, _TOKENS)):
            if not path.exists():
                path.touch()
        known = len(self._places)
        with (self.folder / _KEYS).open("rb") as stream:
            stream.seek(_KEY_BYTES * known)
            keys = stream.read()
        new = len(keys) // _KEY_BYTES
        sizes = {_KEYS: _KEY_BYTES * (known + new)}
        ends = self._mapped(_ENDS, known + new, np.int64, 1, sizes)[:, 0]
        last = self._check(ends[max(known - 1, 0) :])
        pooled = self._mapped(_POOLED, known + new, np.float16, self.facts.pooled, sizes)
        tokens = self._mapped(_TOKENS, last, np.int8, self.facts.tokens, sizes)
        self._arrays = _Arrays(ends, pooled, tokens, sizes)
        self._places.extend(keys[: _KEY_BYTES * new])

    def _check(self, ends: NDArray[np.int64]) -> int:
        """The last of these ends, which are those that came since the last look; raise where they do not rise."""
        if len(ends) and (ends[0] < 0 or (ends[1:] < ends[:-1]).any()):
            raise ArtifactError(f"{self.folder / _ENDS}: damaged; delete the folder, and documents are read again")
        return int(ends[-1]) if len(ends) else 0

    def _mapped(self, name: str, rows: int, dtype: Any, size: int, sizes: dict[str, int]) -> Any:
        path = self.folder / name
        there, needed = path.stat().st_size, rows * size * np.dtype(dtype).itemsize
        if there < needed:
            raise ArtifactError(f"{path}: {there} bytes of {needed}; delete the folder, and documents are read again")
        sizes[name] = needed
        return np.memmap(path, dtype=dtype, mode="r", shape=(rows, size)) if rows else np.zeros((0, size), dtype)

    def _cut(self) -> None:
        """Cut what is beyond the whole rows; only who writes does, since others may read what is being written."""
        for name, size in self._arrays.sizes.items():
            if (self.folder / name).stat().st_size > size:
                with (self.folder / name).open("r+b") as stream:
                    stream.truncate(size)


def _vectors(arrays: _Arrays, place: int) -> DocumentVectors:
    # Copies: a view that is cached would keep its map and the map's descriptor open, and every append maps anew.
    start = int(arrays.ends[place - 1]) if place else 0
    return DocumentVectors(np.array(arrays.pooled[place]), np.array(arrays.tokens[start : int(arrays.ends[place])]))
