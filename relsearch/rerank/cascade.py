"""A cascade: a second, slower reranker scores only the candidates that the first one ranks highest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relsearch.core.errors import ConfigError
from relsearch.rerank.partly import scores_below
from relsearch.stats.logistic import log_odds

ScorePool = Callable[[str, Sequence[str], Sequence[float]], list[float]]


@dataclass(frozen=True, slots=True)
class Cascade:
    """How the second reranker scores a pool, and how many candidates it scores; raise ConfigError for none."""

    score_pool: ScorePool
    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"cascade window {self.size}: give 1 or more, or leave out the cascade")

    def rescore(self, query: str, texts: Sequence[str], scores: Sequence[float]) -> list[float]:
        """Return one score a text, from `scores`, the first reranker's probabilities.

        The best `size` texts get the second reranker's scores; the others follow below them in the first one's order.
        Raise as the second reranker does.
        """
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        head, below = order[: self.size], order[self.size :]
        first = log_odds([scores[place] for place in head]).tolist()
        found = self.score_pool(query, [texts[place] for place in head], first)
        placed = dict(zip(order, [*found, *scores_below(min(found, default=1.0), len(below))], strict=True))
        return [placed[place] for place in range(len(scores))]
