"""A reranker: a scorer with its policy, score interpolation and a cascade. All surfaces score pools through it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from relsearch.core.display.results import RankedDocument, RankResult, TextOrFields, document_texts
from relsearch.core.display.wording import counted
from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import render
from relsearch.core.protocols import Scorer
from relsearch.core.types import StrPath
from relsearch.rerank.abilities import Closing, Preparing, checked_scores
from relsearch.rerank.bundle import Bundle, ManifestBase
from relsearch.rerank.cascade import Cascade
from relsearch.rerank.deadline import BudgetScorer
from relsearch.rerank.families import make_scorer
from relsearch.rerank.interpolation import Interpolation, prf_vectors
from relsearch.rerank.opening import Opened, open_reranker
from relsearch.rerank.partly import PartlyRead, placed
from relsearch.rerank.reading_order import read_some
from relsearch.rerank.vectors.store import OpenStore

if TYPE_CHECKING:
    import polars as pl

    from relsearch.data.collection import Collection
    from relsearch.data.frames import RunLike

_TEXTS_A_CALL = 32  # between two calls a search that is over its budget stops


@dataclass(frozen=True, slots=True, init=False)
class Reranker:
    """Ranks the documents of a query by P(relevant); threads may share one.

    It is a scorer with a policy: `interpolation` weighs the first stage's scores and pseudo-relevance feedback (PRF),
    `cascade` rescores the head, `reads` bounds how many candidates of a query are read. The candidates of a query are
    scored together. As a context manager it closes itself.
    """

    scorer: Scorer
    template: str
    interpolation: Interpolation
    cascade: Cascade | None
    reads: int | None

    def __init__(
        self,
        scorer: StrPath | Scorer = "ready",
        template: str | None = None,
        interpolation: Interpolation | None = None,
        cascade: Cascade | None = None,
        *,
        reads: int | None = None,
        vectors: OpenStore | None = None,
        workers: int | None = None,
        cached_documents: int = 20_000,
    ) -> None:
        """Open a reranker by its name, or take a scorer that is open.

        A name is `ready`, a folder or the hub id of a bundle, of a model that relsearch trained, or of any
        cross-encoder with one score; or a name of the entry points `relsearch.scorers`. Trained models and
        cross-encoders run in torch, which needs the extra `train`. `template` renders documents that are dicts, by
        default as the bundle says; weights are those that the bundle asks for. Of a query's candidates, which come in
        the order of the search, at most `reads` are read: the most promising (relsearch.rerank.reading_order). The
        others keep their places.

        Raise ArtifactError for a broken bundle, ModelError for a folder or hub id that holds no reranker, ConfigError
        where a cross-encoder is to use PRF or precomputed vectors, or `reads` is below 1.
        """
        opened: Opened
        if isinstance(scorer, str | Path):
            opened = open_reranker(scorer, vectors=vectors, workers=workers, cached_documents=cached_documents)
        else:
            opened = Opened(scorer)
        fields = {
            "scorer": opened.scorer,
            "template": opened.template if template is None else template,
            "interpolation": opened.interpolation if interpolation is None else interpolation,
            "cascade": cascade,
            "reads": reads,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        if reads is not None and reads < 1:
            raise ConfigError(f"reads is {reads}; give 1 or more, or None to read all candidates")
        prf_vectors(self.scorer, (), self.interpolation)

    @classmethod
    def from_bundle(
        cls, opened: Bundle[ManifestBase], *, vectors: OpenStore | None = None, workers: int | None = None
    ) -> Self:
        """Return the reranker of a bundle that is open; raise as its scorer does."""
        scorer = make_scorer(opened, workers=workers, vectors=vectors)
        return cls(scorer, opened.manifest.template, opened.manifest.interpolation)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the scorer's threads; afterwards it cannot score."""
        if isinstance(self.scorer, Closing):
            self.scorer.close()

    def rank(
        self,
        query: str,
        documents: Sequence[TextOrFields],
        *,
        top_k: int | None = None,
        first_stage: Sequence[float] | None = None,
    ) -> RankResult:
        """Return the documents, best first, ties in their order; the best `top_k`, by default all.

        A document is a string, or a dict that the template renders. `first_stage` has the search engine's score of
        each document, which is added at the weight that the bundle asks for. Raise TypeError or DataError for a
        document that is neither, ValueError for a `top_k` below 1 or scores that do not fit the documents.
        """
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}; give 1 or more, or None for all")
        if first_stage is not None and len(first_stage) != len(documents):
            found, wanted = counted(len(first_stage), "score"), counted(len(documents), "document")
            raise ValueError(f"first_stage has {found} for {wanted}")
        scores = self.score_pool(_checked(query), document_texts(documents, self.template), first_stage)
        given = list(documents)  # a column of a frame is read by its labels, not by places
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        return RankResult(RankedDocument(place, scores[place], given[place]) for place in order[:top_k])

    def score(self, pairs: Sequence[tuple[str, TextOrFields]]) -> list[float]:
        """Return the scorer's own P(relevant) of each pair of query and document, in (0, 1), each scored alone.

        Raise TypeError or DataError as `rank` does.
        """
        if any(isinstance(pair, str) for pair in pairs):
            raise TypeError("pairs: give pairs of a query and a document")
        texts = document_texts([document for _, document in pairs], self.template)
        places: dict[str, list[int]] = {}
        for place, (query, _) in enumerate(pairs):
            places.setdefault(_checked(query), []).append(place)
        scores = [0.0] * len(pairs)
        for query, rows in places.items():
            for place, score in zip(rows, self.scorer.score(query, [texts[row] for row in rows]), strict=True):
                scores[place] = score
        return scores

    async def rank_async(
        self,
        query: str,
        documents: Sequence[TextOrFields],
        *,
        top_k: int | None = None,
        first_stage: Sequence[float] | None = None,
    ) -> RankResult:
        """Do as `rank` in a thread, which leaves the event loop free."""
        return await asyncio.to_thread(self.rank, query, documents, top_k=top_k, first_stage=first_stage)

    async def score_async(self, pairs: Sequence[tuple[str, TextOrFields]]) -> list[float]:
        """Do as `score` in a thread, which leaves the event loop free."""
        return await asyncio.to_thread(self.score, pairs)

    def rerank_run(self, run: RunLike, collection: StrPath | Collection, *, depth: int = 100) -> pl.DataFrame:
        """Return a run with the first `depth` documents of each query reranked, as a candidates table.

        `run` is a file, a frame or a dict (relsearch.data.frames.run_table); `collection` has the texts: a source as
        load_collection takes, or a collection. Raise as relsearch.rerank.reorder.rerank_run does.
        """
        from relsearch.data.collection import load_collection, texts_of
        from relsearch.data.frames import run_table
        from relsearch.rerank.reorder import rerank_run

        first = run_table(run)
        queries, texts = texts_of(first, load_collection(collection), self.template)
        return rerank_run(first, queries, texts, self, depth=depth)

    def with_weights(self, *, mix: float | None = None, prf: float | None = None) -> Reranker:
        """Return this reranker with another weight of the first stage's scores (`mix`) or of PRF; None keeps it."""
        return replace(self, interpolation=self.interpolation.replace(first_stage=mix, prf=prf))

    def with_cascade(self, second: Reranker, window: int) -> Reranker:
        """Return this reranker with a second one that reranks its best `window` candidates.

        The second one uses this one's scores as its first stage's. Raise ConfigError where its template is another, or
        the window is below 1.
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
        if self.reads is None or self.reads >= len(texts):
            return self.combine(query, texts, self._scores(query, texts, between), first_stage)
        read = read_some(texts, self.reads, lambda some: checked_scores(self._scores(query, some, between), len(some)))
        combined = self.combine_read(query, texts, read, first_stage, weights_fixed=True)
        found = [score for _, score in sorted(placed(combined, range(len(texts))))]
        return self.cascade.rescore(query, texts, found) if self.cascade else found

    def combine(
        self, query: str, texts: Sequence[str], scores: Sequence[float], first_stage: Sequence[float] | None = None
    ) -> list[float]:
        """Return what score_pool returns, given the scorer's own scores of a query's candidates."""
        checked_scores(scores, len(texts))
        stage = [0.0] * len(texts) if first_stage is None else first_stage
        vectors = prf_vectors(self.scorer, texts, self.interpolation)
        found = self.interpolation.interpolate(scores, stage, vectors=vectors)
        return self.cascade.rescore(query, texts, found) if self.cascade else found

    def combine_read(
        self,
        query: str,
        texts: Sequence[str],
        read: Mapping[int, float],
        first_stage: Sequence[float] | None = None,
        *,
        weights_fixed: bool = False,
    ) -> dict[int, float]:
        """Return the scores, by place, of those of a query's candidates that were read, given the scorer's own.

        Unless the weights are fixed, the first stage's scores weigh the more, the fewer were read. A cascade has no
        part in it. Raise as `combine` does.
        """
        stage = [0.0] * len(texts) if first_stage is None else first_stage
        weights = self.interpolation
        if not weights_fixed and first_stage is not None:
            weights = weights.partly_read(len(read) / max(len(texts), 1))
        own = replace(self, interpolation=weights, cascade=None)
        scores = own.combine(query, [texts[place] for place in read], list(read.values()), [stage[at] for at in read])
        return dict(zip(read, scores, strict=True))

    @property
    def stops_in_time(self) -> bool:
        """Whether place_within can be called: the scorer reads within a budget, and there is no cascade."""
        return isinstance(self.scorer, BudgetScorer) and self.cascade is None

    def place_within(
        self,
        query: str,
        texts: Sequence[str],
        first_stage: Sequence[float],
        *,
        budget_ms: float,
        weights_fixed: bool = False,
    ) -> PartlyRead:
        """Order a query's candidates as far as they can be read within about `budget_ms` (relsearch.rerank.partly).

        Raise ConfigError where the scorer cannot stop in time, or there is a cascade.
        """
        if not (isinstance(self.scorer, BudgetScorer) and self.stops_in_time):
            raise ConfigError("a budget stops one bundle's reading; leave out --cascade, or the budget")
        found = self.scorer.rerank(query, texts, budget_ms=budget_ms)
        read = self.combine_read(query, texts, found.read, first_stage, weights_fixed=weights_fixed)
        return PartlyRead(placed(read, found.first), read)

    def _scores(self, query: str, texts: Sequence[str], between: Callable[[], object] | None) -> list[float]:
        if between is None:
            return self.scorer.score(query, texts)
        scores: list[float] = []
        for start in range(0, len(texts), _TEXTS_A_CALL):
            between()
            scores += self.scorer.score(query, texts[start : start + _TEXTS_A_CALL])
        return scores


def _checked(query: str) -> str:
    if not isinstance(query, str):
        raise TypeError(f"query is of type {type(query).__name__}; give a string")
    return query
