"""A scorer without a model, for suites that need one but test something else."""

from __future__ import annotations

from collections.abc import Sequence


class OverlapScorer:
    """Scores by the share of the query's words that a text holds."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return (shared words + 1) / (query words + 2)."""
        words = set(query.lower().split())
        return [(len(words & set(text.lower().split())) + 1) / (len(words) + 2) for text in texts]
