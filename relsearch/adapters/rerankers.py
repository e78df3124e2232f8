"""relsearch in the package rerankers: a ranker like any of its own."""

from __future__ import annotations

from rerankers.documents import Document
from rerankers.models.ranker import BaseRanker
from rerankers.results import RankedResults, Result
from rerankers.utils import prep_docs

from relsearch.core.display.results import TextOrFields
from relsearch.rerank.reranker import Reranker


class RelsearchRanker(BaseRanker):
    """Ranks documents by P(relevant); `model_name_or_path` is a name as relsearch.Reranker takes it.

    Its template reads a document's text as the field `text`, and the metadata as fields of their names.
    """

    def __init__(self, model_name_or_path: str = "ready", verbose: int = 0) -> None:
        self.verbose = verbose
        self._reranker = Reranker(model_name_or_path)

    def score(self, query: str, doc: str) -> float:
        """Return P(relevant) of one document."""
        return self._reranker.score([(query, doc)])[0]

    def rank(
        self,
        query: str,
        docs: str | list[str] | Document | list[Document],
        doc_ids: list[str] | list[int] | None = None,
    ) -> RankedResults:
        """Return all documents, best first, with their scores and ranks from 1."""
        documents = prep_docs(docs, doc_ids)
        found = self._reranker.rank(query, [_fields(document) for document in documents])
        results = [
            Result(document=documents[hit.index], score=hit.score, rank=rank) for rank, hit in enumerate(found, 1)
        ]
        return RankedResults(results=results, query=query, has_scores=True)


def _fields(document: Document) -> TextOrFields:
    """A document without metadata is a text, which any template takes."""
    text = document.text or ""
    return {**document.metadata, "text": text} if document.metadata else text
