"""Values kept by the content they were computed from."""

from __future__ import annotations

from relsearch.core.content_cache import ContentCache


def test_what_was_computed_elsewhere_is_kept() -> None:
    """A value that is known already stays, and the least recently used goes first."""
    cache = ContentCache[int](2)
    cache.keep({"a": 1})
    cache.keep({"b": 2, "a": 3})
    assert cache.lookup(["a", "b"], lambda _: []) == [1, 2]
    cache.keep({"c": 4})
    assert cache.contains(["a", "b", "c"]) == [False, True, True]
