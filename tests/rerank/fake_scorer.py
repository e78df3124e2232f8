"""A scorer without a model, for suites that need one but test something else."""

from __future__ import annotations

from collections.abc import Sequence

from relsearch.core.errors import SearchEngineError


class OverlapScorer:
    """Scores by the share of the query's words that a text holds."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return (shared words + 1) / (query words + 2)."""
        words = set(query.lower().split())
        return [(len(words & set(text.lower().split())) + 1) / (len(words) + 2) for text in texts]


class AwayStoreScorer(OverlapScorer):
    """Reads documents apart from queries; the store that it looks them up in first is away."""

    most_characters = 1000
    stored = None

    def __init__(self) -> None:
        self._kept: set[str] = set()

    def holds(self, texts: Sequence[str]) -> list[bool]:
        """Tell which texts were read."""
        return [text in self._kept for text in texts]

    def read_query(self, query: str) -> None:
        """Do nothing."""

    def fetch(self, texts: Sequence[str]) -> None:
        """Raise."""
        raise SearchEngineError("the store is away")

    def read(self, texts: Sequence[str]) -> None:
        """Keep texts."""
        self._kept.update(texts)

    def save(self, texts: Sequence[str]) -> int:
        """Save none."""
        return 0
