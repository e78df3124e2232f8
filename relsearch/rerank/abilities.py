"""What some scorers can do besides scoring, and the check that all must pass."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import cache
from typing import Protocol, runtime_checkable

from relsearch.core.display.wording import counted
from relsearch.core.errors import ModelError
from relsearch.core.protocols import Scorer

_log = logging.getLogger(__name__)


@runtime_checkable
class Preparing(Protocol):
    """A scorer that caches encoded documents."""

    def prepare(self, texts: Sequence[str]) -> None:
        """Encode documents before they are scored."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A scorer that holds threads."""

    def close(self) -> None:
        """End them."""
        ...


@runtime_checkable
class ReadsDocuments(Scorer, Protocol):
    """A scorer that reads a document apart from any query and keeps what it read: late interaction."""

    most_characters: int

    @property
    def stored(self) -> int | None:
        """How many documents the store has, None where there is no store."""
        ...

    def holds(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each document whether it is kept."""
        ...

    def read_query(self, query: str) -> None:
        """Read and keep a query."""
        ...

    def fetch(self, texts: Sequence[str]) -> None:
        """Keep those that a store has."""
        ...

    def read(self, texts: Sequence[str]) -> None:
        """Read and keep documents."""
        ...

    def save(self, texts: Sequence[str]) -> int:
        """Write documents that were read to the store; return how many it lacked."""
        ...


def fetch_held(scorer: ReadsDocuments, texts: Sequence[str]) -> list[bool]:
    """Fetch what a store has, and tell of each document whether it is kept; a store that fails has none."""
    try:
        scorer.fetch(texts)
    except Exception as exc:  # a plug-in's store may raise anything
        warn_of_store(type(exc).__name__)
    return scorer.holds(texts)


@cache
def warn_of_store(kind: str) -> None:
    """Log, once for each type of error, that documents are read although they may be stored."""
    _log.warning("stored vectors cannot be looked up (%s); documents are read instead", kind)


def checked_scores(scores: Sequence[float], count: int) -> Sequence[float]:
    """Return the scores of `count` texts; raise ModelError where there are fewer or more, or one is not finite."""
    if len(scores) != count or not all(map(math.isfinite, scores)):
        given = f"{counted(len(scores), 'score')} for {counted(count, 'text')}"
        raise ModelError(f"the reranker gave {given}, or one not finite")
    return scores
