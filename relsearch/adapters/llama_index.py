"""relsearch in LlamaIndex: a node postprocessor, as a query engine takes it."""

from __future__ import annotations

from typing import Any

from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle


class RelsearchPostprocessor(BaseNodePostprocessor):
    """Orders nodes by P(relevant) of a relsearch.Reranker, which becomes their score; keeps the best `top_n`.

    The reranker's template reads a node's text as the field `text`, and its metadata as fields of their names.
    """

    reranker: Any
    top_n: int | None = None

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex knows the class by."""
        return "RelsearchPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("query_bundle: a reranker needs the query")
        fields = [
            {**each.node.metadata, "text": each.node.get_content(metadata_mode=MetadataMode.NONE)} for each in nodes
        ]
        found = self.reranker.rank(query_bundle.query_str, fields, top_k=self.top_n)
        return [NodeWithScore(node=nodes[hit.index].node, score=hit.score) for hit in found]
