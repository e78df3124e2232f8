"""A reranker: a scorer with its policy, score interpolation and a cascade. All surfaces score pools through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from relsearch.core.errors import ConfigError, ModelError
from relsearch.core.plugins import Group, has_plugin, open_plugin
from relsearch.core.protocols import Scorer
from relsearch.core.template import DEFAULT_TEMPLATE, render
from relsearch.core.types import StrPath
from relsearch.rerank.bundle import Bundle, ManifestBase, bundle_folder, open_bundle
from relsearch.rerank.cascade import Cascade
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation, prf_vectors
from relsearch.rerank.late.store import OpenStore

PLUGINS: Group = "relsearch.scorers"
_TEXTS_A_CALL = 32  # between two calls a search that is over its budget stops


def is_plugin(bundle: StrPath) -> bool:
    """Whether a name is no bundle's, and an installed package registers a scorer under it."""
    return not bundle_folder(bundle).is_dir() and has_plugin(PLUGINS, str(bundle))


@runtime_checkable
class Preparing(Protocol):
    """A scorer that caches encoded documents."""

    def prepare(self, texts: Sequence[str]) -> None:
        """Encode documents before they are scored."""
        ...


@dataclass(frozen=True, slots=True)
class Reranker:
    """Scores the candidates of one query together.

    `interpolation` weighs the first stage's scores and PRF; `cascade` rescores the head. Raise ConfigError where a
    cross-encoder is to use PRF.
    """

    scorer: Scorer
    template: str = DEFAULT_TEMPLATE
    interpolation: Interpolation = NO_INTERPOLATION
    cascade: Cascade | None = None

    def __post_init__(self) -> None:
        prf_vectors(self.scorer, (), self.interpolation)

    @classmethod
    def open(
        cls,
        bundle: StrPath,
        *,
        vectors: OpenStore | None = None,
        workers: int | None = None,
        cached_documents: int = 20_000,
    ) -> Reranker:
        """Open a bundle by its folder, or `ready`, with the weights that it asks for; raise as open_scorer does.

        A name of the entry points `relsearch.scorers` opens that plug-in, where no folder is called so.
        """
        if is_plugin(bundle):
            if vectors is not None:
                raise ConfigError(f"{bundle}: a plug-in takes no precomputed vectors; leave out --vectors")
            return cls(open_plugin(PLUGINS, str(bundle), needs=("score",)))
        opened = open_bundle(bundle)
        return cls.from_bundle(opened, vectors=vectors, workers=workers, cached_documents=cached_documents)

    @classmethod
    def from_bundle(
        cls,
        opened: Bundle[ManifestBase],
        *,
        vectors: OpenStore | None = None,
        workers: int | None = None,
        cached_documents: int = 20_000,
    ) -> Reranker:
        """Return the reranker of a bundle that is open; raise as open_scorer does."""
        from relsearch.rerank.families import make_scorer

        scorer = make_scorer(opened, workers=workers, vectors=vectors, cached_documents=cached_documents)
        return cls(scorer, opened.manifest.template, opened.manifest.interpolation)

    def with_weights(self, *, mix: float | None = None, prf: float | None = None) -> Reranker:
        """Return the same with another weight of the first stage's scores, or of PRF, where one is given."""
        return replace(self, interpolation=self.interpolation.replace(first_stage=mix, prf=prf))

    def with_cascade(self, second: Reranker, window: int) -> Reranker:
        """Return the same with a second reranker for its best `window` candidates.

        The second one takes this one's scores for the first stage's. Raise ConfigError where its template is another.
        """
        if second.template != self.template:
            raise ConfigError(
                f"cascade: this bundle reads documents as {second.template!r}, the first one as {self.template!r}; "
                "export both alike"
            )
        return replace(self, cascade=Cascade(second.score_pool, window))

    def render(self, fields: Mapping[str, str]) -> str:
        """Render a document's fields to the text that is scored."""
        return render(fields, self.template)

    def prepare(self, texts: Sequence[str]) -> None:
        """Encode documents before they are scored, as at indexing time, where the scorer can."""
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
        """Return P(relevant) of each of a query's candidates, strictly inside (0, 1); each depends on the whole pool.

        `first_stage` has the first stage's score of each candidate; without it that weight has no effect. `between` is
        called between batches and may raise to stop. Raise ModelError where the scorer returns another number of
        scores, or one that is not finite.
        """
        return self.combine(query, texts, self._scores(query, texts, between), first_stage)

    def combine(
        self, query: str, texts: Sequence[str], scores: Sequence[float], first_stage: Sequence[float] | None = None
    ) -> list[float]:
        """Return what score_pool returns, given the scorer's own scores of a query's candidates."""
        if len(scores) != len(texts) or not all(map(math.isfinite, scores)):
            raise ModelError(f"the reranker gave {len(scores)} scores for {len(texts)} texts, or one not finite")
        stage = [0.0] * len(texts) if first_stage is None else first_stage
        vectors = prf_vectors(self.scorer, texts, self.interpolation)
        found = self.interpolation.interpolate(scores, stage, vectors=vectors)
        return self.cascade.rescore(query, texts, found) if self.cascade else found

    def _scores(self, query: str, texts: Sequence[str], between: Callable[[], object] | None) -> list[float]:
        if between is None:
            return self.scorer.score(query, texts)
        scores: list[float] = []
        for start in range(0, len(texts), _TEXTS_A_CALL):
            between()
            scores += self.scorer.score(query, texts[start : start + _TEXTS_A_CALL])
        return scores
