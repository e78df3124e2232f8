"""Document vectors kept by content: a document that comes again is not encoded again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from relsearch.core.content_cache import ContentCache

Vectors = NDArray[np.float32]


class VectorCache(ContentCache[Vectors]):
    """The most recently used document vectors."""

    def __init__(self, capacity: int = 20_000) -> None:
        super().__init__(capacity)  # at 384 numbers a vector, 20,000 take 31 MB

    def stacked(self, texts: Sequence[str], encode: Callable[[list[str]], Vectors]) -> Vectors:
        """Return one row a text; `encode` is called at most once, with the distinct texts that are not known."""
        return np.stack(self.lookup(texts, lambda unknown: list(encode(unknown))))
