"""Document vectors kept by content: a document that comes again is not encoded again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class VectorCache:
    """A bounded, least-recently-used map from text to vector; safe to share between threads."""

    def __init__(self, capacity: int = 20_000) -> None:
        self.capacity = capacity  # at 384 numbers a vector, 20,000 take 31 MB
        self._rows: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def lookup(self, texts: Sequence[str], encode: Callable[[list[str]], Vectors]) -> Vectors:
        """Return one row a text; `encode` is called once, with the distinct texts that are not known."""
        keys = [hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest() for text in texts]
        with self._lock:
            found = {key: self._rows[key] for key in keys if key in self._rows}
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if unknown:
            found |= dict(zip(unknown, encode(list(unknown.values())), strict=True))
        self._keep(keys, found)
        return np.stack([found[key] for key in keys])

    def _keep(self, keys: Sequence[bytes], found: dict[bytes, Vectors]) -> None:
        with self._lock:
            for key in keys:
                self._rows[key] = found[key]
                self._rows.move_to_end(key)
            while len(self._rows) > self.capacity:
                self._rows.popitem(last=False)
