"""relsearch in Haystack: a ranker component for a pipeline."""

from __future__ import annotations

from dataclasses import replace

from haystack import Document, component

from relsearch.rerank.reranker import Reranker


@component
class RelsearchRanker:
    """Orders documents by P(relevant), which becomes their score; keeps the best `top_k`.

    `model` is a name as relsearch.Reranker takes it. Its template reads `content` as the field `text`, and the meta
    data as fields of their names.
    """

    def __init__(self, model: str = "ready", top_k: int | None = None) -> None:
        self.model = model
        self.top_k = top_k
        self._reranker: Reranker | None = None

    def warm_up(self) -> None:
        """Open the reranker, once; `run` does so where nobody has."""
        self._reranker = self._reranker or Reranker(self.model)

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        """Return the best documents, best first, as `documents`."""
        reranker = self._reranker = self._reranker or Reranker(self.model)
        fields = [{**document.meta, "text": document.content or ""} for document in documents]
        found = reranker.rank(query, fields, top_k=self.top_k if top_k is None else top_k)
        return {"documents": [replace(documents[hit.index], score=hit.score) for hit in found]}
