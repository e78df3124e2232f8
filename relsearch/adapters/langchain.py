"""relsearch in LangChain: a document compressor, as ContextualCompressionRetriever takes it."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import InstanceOf

from relsearch.rerank.reranker import Reranker


class RelsearchCompressor(BaseDocumentCompressor):
    """Orders documents by P(relevant), which each has as `relevance_score` in its metadata; keeps the best `top_n`.

    The reranker's template reads `page_content` as the field `text`, and the metadata as fields of their names.
    """

    reranker: InstanceOf[Reranker]
    top_n: int | None = None

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return the best documents, best first; those that are given stay as they are."""
        fields = [{**document.metadata, "text": document.page_content} for document in documents]
        return [
            documents[hit.index].model_copy(
                update={"metadata": {**documents[hit.index].metadata, "relevance_score": hit.score}}
            )
            for hit in self.reranker.rank(query, fields, top_k=self.top_n)
        ]
