"""The document vector cache."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relsearch.rerank.cross.document_vectors import VectorCache, Vectors


class Encoder:
    """Counts what it is asked to encode."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: list[str]) -> Vectors:
        """One number a text: its length."""
        self.calls.append(texts)
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def test_a_text_is_encoded_once() -> None:
    """Texts that come again, in one call or the next, are not encoded again."""
    encoder, cache = Encoder(), VectorCache()
    cache.stacked(["a", "bb", "a"], encoder)
    cache.stacked(["bb", "ccc"], encoder)
    assert encoder.calls == [["a", "bb"], ["ccc"]]


def test_the_least_recently_used_goes_first() -> None:
    """Beyond its capacity the cache forgets what was used longest ago."""
    encoder, cache = Encoder(), VectorCache(capacity=2)
    for texts in (["a"], ["bb"], ["a"], ["ccc"], ["a"], ["bb"]):
        cache.stacked(texts, encoder)
    assert encoder.calls == [["a"], ["bb"], ["ccc"], ["bb"]]
    assert len(cache) == 2


@given(st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=6), max_size=6), st.integers(1, 4))
def test_rows_are_those_of_the_encoder(calls: list[list[str]], capacity: int) -> None:
    """Whatever is cached or forgotten, each row is its text's vector, also when a call exceeds the capacity."""
    cache = VectorCache(capacity=capacity)
    for texts in calls:
        assert cache.stacked(texts, Encoder())[:, 0].tolist() == [len(text) for text in texts]
        assert len(cache) <= capacity
