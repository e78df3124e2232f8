"""relsearch turns a BM25 search engine and a few human relevance labels into better-ranked search.

What `__all__` names is public; each name is imported when it is first asked for, so that `import relsearch` is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relsearch.api.judging import Judge
    from relsearch.api.measuring import agree, evaluate
    from relsearch.api.pipeline import Pipeline
    from relsearch.api.reporting import Report
    from relsearch.data.collection import load_collection
    from relsearch.data.memory import MemoryCollection
    from relsearch.live.searching import search, search_async
    from relsearch.rerank.reranker import Reranker

__version__ = "0.1.0"
__all__ = [
    "Judge",
    "MemoryCollection",
    "Pipeline",
    "Report",
    "Reranker",
    "agree",
    "evaluate",
    "load_collection",
    "search",
    "search_async",
]
_HOMES = {
    "Judge": "api.judging",
    "MemoryCollection": "data.memory",
    "Pipeline": "api.pipeline",
    "Report": "api.reporting",
    "Reranker": "rerank.reranker",
    "agree": "api.measuring",
    "evaluate": "api.measuring",
    "load_collection": "data.collection",
    "search": "live.searching",
    "search_async": "live.searching",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
