"""A cascade: a second, dearer reranker reads only what the first one puts at the head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from relsearch.errors import ConfigError
from relsearch.protocols import Scorer
from relsearch.rerank.deadline import falling
from relsearch.rerank.logistic import log_odds
from relsearch.rerank.mix import NOTHING, Mix, mixed_scores


class Described(Protocol):
    """What a bundle says of itself."""

    @property
    def template(self) -> str:
        """How it renders a document."""
        ...

    @property
    def beside(self) -> Mix:
        """What it asks for beside its own scores."""
        ...


@dataclass(frozen=True, slots=True)
class Second:
    """The second reranker and how many candidates it reads; `mix` weighs the first one's scores beside its own."""

    scorer: Scorer
    size: int
    mix: Mix = NOTHING

    def rescored(self, query: str, texts: Sequence[str], scores: Sequence[float]) -> list[float]:
        """Return a score a text: the second reranker's at the head, and below it falling ones in the first's order.

        `scores` are the first one's probabilities. Raise as the scorer does.
        """
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        head, below = order[: self.size], order[self.size :]
        first = log_odds([scores[place] for place in head]).tolist()
        found = mixed_scores(self.scorer, query, [texts[place] for place in head], first, self.mix)
        placed = dict(zip(order, [*found, *falling(min(found, default=1.0), len(below))], strict=True))
        return [placed[place] for place in range(len(scores))]


def open_second(bundle: Path, size: int, *, templates: Iterable[str]) -> Second:
    """Open the bundle that reads the head; `templates` are those of the first rerankers, whose texts it reads.

    Raise ConfigError where its own template is another one, ArtifactError where the bundle is not whole.
    """
    from relsearch.rerank.families import open_scorer

    scorer = open_scorer(bundle)
    return behind(scorer, size, scorer.manifest, templates=templates)


def behind(scorer: Scorer, size: int, about: Described, *, templates: Iterable[str]) -> Second:
    """Return an opened bundle, of which `about` tells, as the second one; raise ConfigError as open_second does."""
    for template in templates:
        if about.template != template:
            raise ConfigError(
                f"then: this bundle reads documents as {about.template!r}, the first one as {template!r}; "
                "export both alike"
            )
    return Second(scorer, size, about.beside)
