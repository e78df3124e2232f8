"""Vectors kept on disk by the content of their text, so that no stage encodes what an earlier one did.

Half precision: a cosine moves by under 1e-3, and 384 numbers take 768 bytes. Parts are written aside and renamed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import replacing
from relsearch.core.files.key_index import digest

Vectors = NDArray[np.float32]
_PART_TEXTS = 512


class KeptVectors:
    """A folder of vectors of one encoder; texts are encoded in parts, each kept before the next begins."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._rows: dict[bytes, NDArray[np.float16]] = {}
        self._known: set[Path] = set()
        self._read_new()

    def lookup(self, texts: Sequence[str], encode: Callable[[list[str]], Vectors]) -> Vectors:
        """Return one row a text; `encode` is called with distinct unknown texts, longest first."""
        keys = [digest(text) for text in texts]
        if not self._rows.keys() >= set(keys):
            self._read_new()
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        waiting = sorted(unknown.items(), key=lambda item: (-len(item[1]), item[0]))
        for start in range(0, len(waiting), _PART_TEXTS):
            part = waiting[start : start + _PART_TEXTS]
            self._keep([key for key, _ in part], encode([text for _, text in part]))
        return np.stack([self._rows[key] for key in keys]).astype(np.float32)

    def _read_new(self) -> None:
        """Read the parts that were written since: another process may keep vectors here, too."""
        for path in sorted(set(self._folder.glob("*.npz")) - self._known):
            self._rows |= _read(path)
            self._known.add(path)

    def _keep(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        rows = vectors.astype(np.float16)
        name = hashlib.blake2b(b"".join(keys), digest_size=16).hexdigest()
        path = self._folder / f"{name}.npz"
        with replacing(path) as partial, partial.open("wb") as stream:
            np.savez(stream, keys=np.array([np.frombuffer(key, np.uint8) for key in keys]), vectors=rows)
        self._known.add(path)
        self._rows |= dict(zip(keys, rows, strict=True))


def rounded(vectors: Vectors) -> Vectors:
    """Return vectors as they come out of where they are kept."""
    return vectors.astype(np.float16).astype(np.float32)


def _read(path: Path) -> dict[bytes, NDArray[np.float16]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as part:
            return {key.tobytes(): row for key, row in zip(part["keys"], part["vectors"], strict=True)}
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as exc:
        raise ArtifactError(f"{path}: damaged; delete it, and its texts are encoded again") from exc
