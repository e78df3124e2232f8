"""Keys in sorted arrays: as a dictionary of places has them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.files.key_index import KeyIndex


@given(st.lists(st.binary(min_size=3, max_size=3), max_size=30))
def test_a_key_has_the_place_in_which_it_came(keys: list[bytes]) -> None:
    """Also where it ends in zeros, and comes again."""
    index, expected = KeyIndex(3), dict[bytes, int]()
    for key in keys:
        assert index.add(key) is (key not in expected)
        expected.setdefault(key, len(expected))
    asked = [*keys, b"\0\0\0", b"a\0\0"]
    assert index.places(asked) == [expected.get(key) for key in asked]
    assert len(index) == len(expected)


@given(st.lists(st.lists(st.binary(min_size=3, max_size=3), max_size=9), max_size=5))
def test_keys_that_come_together_are_added_as_one_by_one(batches: list[list[bytes]]) -> None:
    """Whether known before, new, or twice among themselves."""
    index, single = KeyIndex(3), KeyIndex(3)
    for keys in batches:
        assert index.add_all(keys) == [single.add(key) for key in keys]
        assert index.places(keys) == [single.place(key) for key in keys]


def test_many_keys_are_sorted_in() -> None:
    """Keys that came one by one before and after many at once keep their places."""
    drawn = np.random.default_rng(1).permutation(120_000).astype(">u4")
    keys = [key.tobytes() for key in drawn]
    index = KeyIndex(4)
    for key in keys[:100]:
        index.add(key)
    index.extend(b"".join(keys[100:60_000]))
    for start in range(60_000, 120_000, 1_000):
        assert all(index.add_all(keys[start : start + 1_000]))
    assert index.places(keys[::997]) == list(range(0, 120_000, 997))
    assert index.place((120_000).to_bytes(4, "big")) is None
