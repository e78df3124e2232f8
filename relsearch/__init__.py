"""relsearch turns a BM25 search engine and a few human relevance labels into better-ranked search."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relsearch.live.searching import search, search_async

__version__ = "0.1.0"
__all__ = ["search", "search_async"]


def __getattr__(name: str) -> object:
    """Import what searches only when it is asked for: `import relsearch` stays light."""
    if name in __all__:
        from relsearch.live import searching

        return getattr(searching, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
