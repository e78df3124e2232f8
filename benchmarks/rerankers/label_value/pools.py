"""The pools of a collection's queries, and of queries written from its documents, as features and vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import shuffled
from benchmarks.rerankers.label_value.adapter import Candidates, Target
from benchmarks.rerankers.label_value.cached_vectors import Encode, encoders, kept_vectors
from relsearch.core import tables
from relsearch.core.types import Query
from relsearch.encoders.prf import leave_one_out_mean, standardise
from relsearch.index.embedded import open_index
from relsearch.pipeline.stages.inputs import Collected
from relsearch.rerank.bundle import SHIPPED, LateManifest, open_bundle_of
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.vectors.interaction import STEP, DocumentVectors, TextVectors, cosines, maxsims
from relsearch.stats.logistic import Logistic, log_odds
from relsearch.synthesis.structure import phrases, titles

Floats = NDArray[np.float64]
_INTERPOLATION = Interpolation(0.2, 0.5)  # as the ready reranker asks for
_WRITTEN, _WRITTEN_DEPTH = 250, 20
_TITLED = ("cranfield", "scifact")  # of the others, documents have no title, or that of a category


class ValuePools:
    """The candidates of each query of a run, and of written queries; each text is encoded once and kept in `folder`."""

    def __init__(self, name: str, folder: Path, collected: Collected, run: pl.DataFrame) -> None:
        self._name, self._folder, self._collected = name, folder, collected
        self._texts = collected.texts(run["doc_id"])
        self._documents = kept_vectors(folder / "documents.npz", self._texts, lambda: self._encoders[1])
        self._center = np.mean([each.pooled for each in self._documents.values()], axis=0, dtype=np.float32)
        self._head = open_bundle_of(SHIPPED, LateManifest).manifest.head
        self.runs = {str(query): part for (query,), part in run.group_by("query_id", maintain_order=True)}
        queries = {query: collected.query_texts[query] for query in self.runs}
        vectors = kept_vectors(folder / "queries.npz", queries, lambda: self._encoders[0])
        self._query_center = np.mean([each.pooled for each in vectors.values()], axis=0, dtype=np.float32)
        self.candidates = {query: self._candidates(vectors[query], part) for query, part in self.runs.items()}

    def written(self, weight: float) -> list[Target]:
        """Return the pools of written queries that hold their own document, which has gain 1, the others 0."""
        return [Target(candidates, gains, weight) for candidates, gains in self._written]

    @cached_property
    def _written(self) -> list[tuple[Candidates, Floats]]:
        sources = self._sources()
        searcher = open_index(self._collected.folder.parent / "index" / "embedded")
        queries = [Query(source, text) for source, text in sources.items()]
        found = tables.candidates_table(searcher.search(queries, _WRITTEN_DEPTH))
        known = found.filter(pl.col("doc_id").is_in(sorted(self._documents)))
        own = known.filter(pl.col("query_id") == pl.col("doc_id"))["query_id"]
        pools = known.filter(pl.col("query_id").is_in(sorted(own)))
        vectors = kept_vectors(self._folder / "written.npz", sources, lambda: self._encoders[0])
        return [
            (self._candidates(vectors[str(source)], part), part["doc_id"].eq(str(source)).cast(pl.Float64).to_numpy())
            for (source,), part in pools.group_by("query_id", maintain_order=True)
            if part.height > 1
        ]

    def _sources(self) -> Mapping[str, str]:
        """The query that is written from each of some documents, by the document's id."""
        documents = self._collected.documents(shuffled(set(self._documents))[:_WRITTEN])
        if self._name in _TITLED:
            return {each.doc_id: titles(each)[0] for each in documents if titles(each)}
        written = phrases([self._texts[each.doc_id] for each in documents], 1)
        return {each.doc_id: found[0] for each, found in zip(documents, written, strict=True) if found}

    @cached_property
    def _encoders(self) -> tuple[Encode, Encode]:
        return encoders(self._name, list(self._texts.values()))

    def _candidates(self, query: DocumentVectors, part: pl.DataFrame) -> Candidates:
        """Features: the ready reranker's score, cosine, MaxSim, BM25 and likeness to the best, standardised."""
        documents = [self._documents[doc_id] for doc_id in part["doc_id"]]
        read = TextVectors(query.pooled.astype(np.float32), query.tokens.astype(np.float32) * np.float32(STEP))
        rows = np.stack([each.pooled for each in documents]).astype(np.float32)
        cosine, maxsim, stage = cosines(read, documents), maxsims(read, documents), part["score"].to_list()
        own = Logistic().probabilities(self._head.logits(cosine, maxsim)).tolist()
        ready = log_odds(_INTERPOLATION.interpolate(own, stage, vectors=lambda: rows))
        likeness = np.einsum("nh,nh->n", rows, leave_one_out_mean(rows, ready))
        columns: Sequence[Floats] = [standardise(np.asarray(each)) for each in (ready, cosine, maxsim, stage, likeness)]
        moved = _scaled(rows - self._center), _scaled(read.pooled - self._query_center)
        return Candidates(np.stack(columns, axis=1), *moved)


def _scaled(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors, divided by their mean length."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1).mean(), dtype=np.float32)
