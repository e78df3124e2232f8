"""A reranker: a scorer, and what counts beside its own scores. All surfaces ask it for the scores of a pool."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from relsearch.core.errors import ConfigError, ModelError
from relsearch.core.protocols import Scorer
from relsearch.core.template import DEFAULT_TEMPLATE, render
from relsearch.core.types import StrPath
from relsearch.rerank.bundle import Bundle, ManifestBase, open_bundle
from relsearch.rerank.cascade import Second
from relsearch.rerank.interpolation import NOTHING, Mix, mixed, vectors_of
from relsearch.rerank.late.store import OpenStore

_TEXTS_A_CALL = 32  # between two calls a search that is over its budget stops


@runtime_checkable
class Preparing(Protocol):
    """A scorer that keeps what it read of documents."""

    def prepare(self, texts: Sequence[str]) -> None:
        """Read documents before they are asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Reranker:
    """Scores the candidates of one query together; raise ConfigError for feedback from a cross-encoder.

    `mix` weighs the first stage's scores and likeness to the best candidates; `second` reads the head again.
    """

    scorer: Scorer
    template: str = DEFAULT_TEMPLATE
    mix: Mix = NOTHING
    second: Second | None = None

    def __post_init__(self) -> None:
        vectors_of(self.scorer, (), self.mix)

    @classmethod
    def open(
        cls,
        bundle: StrPath,
        *,
        vectors: OpenStore | None = None,
        workers: int | None = None,
        kept_documents: int = 20_000,
    ) -> Reranker:
        """Open a bundle by its folder, or `ready`, with the weights that it asks for; raise as open_scorer does."""
        opened = open_bundle(bundle)
        return cls.from_bundle(opened, vectors=vectors, workers=workers, kept_documents=kept_documents)

    @classmethod
    def from_bundle(
        cls,
        opened: Bundle[ManifestBase],
        *,
        vectors: OpenStore | None = None,
        workers: int | None = None,
        kept_documents: int = 20_000,
    ) -> Reranker:
        """Return the reranker of a bundle that is open; raise as open_scorer does."""
        from relsearch.rerank.families import scorer_of

        scorer = scorer_of(opened, workers=workers, vectors=vectors, kept_documents=kept_documents)
        return cls(scorer, opened.manifest.template, opened.manifest.beside)

    def with_weights(self, *, mix: float | None = None, feedback: float | None = None) -> Reranker:
        """Return the same with other weights where one is given."""
        return replace(self, mix=self.mix.but(first_stage=mix, feedback=feedback))

    def with_second(self, second: Reranker, window: int) -> Reranker:
        """Return the same with a second one for the `window` candidates at the head; this one's scores are its first.

        Raise ConfigError where the second one reads documents in another way.
        """
        if second.template != self.template:
            raise ConfigError(
                f"then: this bundle reads documents as {second.template!r}, the first one as {self.template!r}; "
                "export both alike"
            )
        return replace(self, second=Second(second.score_pool, window))

    def render(self, fields: Mapping[str, str]) -> str:
        """Render a document's fields to the text that is scored."""
        return render(fields, self.template)

    def prepare(self, texts: Sequence[str]) -> None:
        """Read documents before they are asked for, as at indexing time, where the scorer can."""
        if isinstance(self.scorer, Preparing):
            self.scorer.prepare(texts)

    def score_pool(
        self,
        query: str,
        texts: Sequence[str],
        first_stage: Sequence[float] | None = None,
        *,
        between: Callable[[], object] | None = None,
    ) -> list[float]:
        """Return P(relevant) of each of a query's candidates, beside each other, strictly inside (0, 1).

        `first_stage` has the search's score of each; without it they weigh nothing. `between` is called between parts,
        and may raise to stop. Raise ModelError where the scorer gives too few scores, or some that are not finite.
        """
        return self.combine(query, texts, self._scores(query, texts, between), first_stage)

    def combine(
        self, query: str, texts: Sequence[str], scores: Sequence[float], first_stage: Sequence[float] | None = None
    ) -> list[float]:
        """Return what score_pool does, of the scorer's own scores of a query's candidates."""
        if len(scores) != len(texts) or not all(map(math.isfinite, scores)):
            raise ModelError(f"the reranker gave {len(scores)} scores for {len(texts)} texts, or one not finite")
        stage = [0.0] * len(texts) if first_stage is None else first_stage
        found = mixed(scores, stage, self.mix, vectors=vectors_of(self.scorer, texts, self.mix))
        return self.second.rescored(query, texts, found) if self.second else found

    def _scores(self, query: str, texts: Sequence[str], between: Callable[[], object] | None) -> list[float]:
        if between is None:
            return self.scorer.score(query, texts)
        scores: list[float] = []
        for start in range(0, len(texts), _TEXTS_A_CALL):
            between()
            scores += self.scorer.score(query, texts[start : start + _TEXTS_A_CALL])
        return scores
