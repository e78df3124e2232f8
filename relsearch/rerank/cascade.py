"""A cascade: a second, dearer reranker reads only what the first one puts at the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relsearch.rerank.cross.deadline import falling
from relsearch.stats.logistic import log_odds

ScorePool = Callable[[str, Sequence[str], Sequence[float]], list[float]]


@dataclass(frozen=True, slots=True)
class Second:
    """How the second reranker scores a pool, and how many candidates it reads."""

    score_pool: ScorePool
    size: int

    def rescored(self, query: str, texts: Sequence[str], scores: Sequence[float]) -> list[float]:
        """Return a score a text: the second reranker's at the head, and below it falling ones in the first's order.

        `scores` are the first one's probabilities. Raise as the second one does.
        """
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        head, below = order[: self.size], order[self.size :]
        first = log_odds([scores[place] for place in head]).tolist()
        found = self.score_pool(query, [texts[place] for place in head], first)
        placed = dict(zip(order, [*found, *falling(min(found, default=1.0), len(below))], strict=True))
        return [placed[place] for place in range(len(scores))]
