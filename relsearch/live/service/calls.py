"""One call to the scorer: the distinct texts of a batch, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from relsearch.core.protocols import Scorer
from relsearch.live.service.queue import Part
from relsearch.live.service.refusals import BackendError

Wanted = dict[str, list[str]]  # the distinct texts of each query


@runtime_checkable
class ManyScorer(Scorer, Protocol):
    """A scorer that takes a whole batch at once, whatever its queries."""

    def score_many(self, requests: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        """Return the scores of each query's texts, as `score` would."""
        ...


def distinct_texts(parts: Sequence[Part]) -> Wanted:
    """Return the distinct texts of a batch by their query."""
    wanted: dict[str, dict[str, None]] = {}
    for part in parts:
        wanted.setdefault(part.job.query, {}).update(dict.fromkeys(part.texts))
    return {query: list(texts) for query, texts in wanted.items()}


def scores_of(scorer: Scorer, wanted: Wanted) -> dict[str, dict[str, float]]:
    """Return the score of each text by query; raise BackendError where one is not strictly inside (0, 1)."""
    if isinstance(scorer, ManyScorer):
        found = scorer.score_many(list(wanted.items()))
    else:
        found = [scorer.score(query, texts) for query, texts in wanted.items()]
    for texts, scores in zip(wanted.values(), found, strict=True):
        if len(scores) != len(texts) or not all(0 < score < 1 for score in scores):
            raise BackendError("the model gave no score strictly inside (0, 1) for some text; export the bundle again")
    pairs = zip(wanted.items(), found, strict=True)
    return {query: dict(zip(texts, scores, strict=True)) for (query, texts), scores in pairs}
