"""Calls of reranking clients; run by the Python of an environment that has some of them, which has no relsearch.

`python rerank_calls.py URL` prints one line of JSON for each call whose client is installed. A call returns the places
of the documents, best first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

QUERY = "how long is green tea steeped"
TEXTS = ["Tides follow the moon.", "Green tea is steeped for two minutes.", "A cat purrs when it is calm."]
BEST = 1  # of TEXTS
Call = Callable[[str], list[int]]
CALLS: list[tuple[str, str, Call]] = []


def call(package: str, what: str) -> Callable[[Call], Call]:
    """Register a call by the package that it needs and by what is called there."""

    def add(function: Call) -> Call:
        CALLS.append((package, what, function))
        return function

    return add


def main() -> None:
    """Make every call whose package is installed."""
    for package, what, function in CALLS:
        try:
            number = version(package)
        except PackageNotFoundError:
            continue
        row: dict[str, Any] = {"client": package, "version": number, "called": what}
        try:
            places = function(sys.argv[1])
            row |= {"works": places[0] == BEST, "said": "" if places[0] == BEST else f"the order is {places}"}
        except Exception as exc:
            row |= {"works": False, "said": f"{type(exc).__name__}: {exc}"[:300]}
        print(json.dumps(row), flush=True)


@call("cohere", "Client.rerank (v1)")
def cohere_v1(url: str) -> list[int]:
    """Cohere v1, documents as objects with rank_fields."""
    import cohere

    documents = [{"title": text.split()[0], "body": text} for text in TEXTS]
    client = cohere.Client("key", base_url=url)
    found = client.rerank(query=QUERY, documents=documents, rank_fields=["title", "body"], return_documents=True)
    return [row.index for row in found.results]


@call("cohere", "ClientV2.rerank")
def cohere_v2(url: str) -> list[int]:
    """Cohere v2."""
    import cohere

    found = cohere.ClientV2("key", base_url=url).rerank(model="rerank-v3.5", query=QUERY, documents=TEXTS, top_n=2)
    return [row.index for row in found.results]


@call("voyageai", "Client.rerank")
def voyage(url: str) -> list[int]:
    """Voyage's own client."""
    import voyageai

    client = voyageai.Client(api_key="key", base_url=f"{url}/v1")
    found = client.rerank(QUERY, TEXTS, model="rerank-2.5", top_k=2)
    return [row.index for row in found.results]


def _litellm(url: str, model: str, **options: Any) -> list[int]:
    import litellm

    found = litellm.rerank(model=model, query=QUERY, documents=TEXTS, api_base=url, api_key="key", **options)
    return [row["index"] for row in found.results]


@call("litellm", "rerank, cohere/")
def litellm_cohere(url: str) -> list[int]:
    """As Cohere."""
    return _litellm(url, "cohere/rerank-v3.5", top_n=2)


@call("litellm", "rerank, jina_ai/")
def litellm_jina(url: str) -> list[int]:
    """As Jina."""
    return _litellm(url, "jina_ai/jina-reranker-v2-base-multilingual", top_n=2)


@call("litellm", "rerank, voyage/")
def litellm_voyage(url: str) -> list[int]:
    """As Voyage, with and without `top_n`, by which its requests differ."""
    _litellm(url, "voyage/rerank-2.5", top_n=2)
    return _litellm(url, "voyage/rerank-2.5")


@call("litellm", "rerank, infinity/")
def litellm_infinity(url: str) -> list[int]:
    """As Infinity, on its own path: the requests are those of hosted_vllm/, which wants documents as objects."""
    return _litellm(f"{url}/infinity", "infinity/mixedbread-ai", top_n=2)


@call("litellm", "rerank, hosted_vllm/")
def litellm_vllm(url: str) -> list[int]:
    """As vLLM."""
    return _litellm(url, "hosted_vllm/m", top_n=2)


@call("litellm", "rerank, huggingface/")
def litellm_tei(url: str) -> list[int]:
    """As text-embeddings-inference."""
    return _litellm(url, "huggingface/bge-reranker", top_n=2)


@call("langchain-cohere", "CohereRerank")
def langchain_cohere(url: str) -> list[int]:
    """Its compressor."""
    from langchain_cohere import CohereRerank

    compressor = CohereRerank(model="rerank-v3.5", cohere_api_key="key", base_url=url)
    return [row["index"] for row in compressor.rerank(TEXTS, QUERY)]


@call("langchain-community", "JinaRerank")
def langchain_jina(url: str) -> list[int]:
    """Its compressor; the address is a constant of its module."""
    from langchain_community.document_compressors import jina_rerank

    jina_rerank.JINA_API_URL = f"{url}/v1/rerank"
    compressor = jina_rerank.JinaRerank(jina_api_key="key", model="jina-reranker-v1-base-en")
    return [row["index"] for row in compressor.rerank(TEXTS, QUERY)]


@call("rerankers", "Reranker, cohere")
def rerankers_cohere(url: str) -> list[int]:
    """As Cohere."""
    return _rerankers("cohere", f"{url}/v1/rerank")


@call("rerankers", "Reranker, jina")
def rerankers_jina(url: str) -> list[int]:
    """As Jina."""
    return _rerankers("jina", f"{url}/v1/rerank")


@call("rerankers", "Reranker, voyage")
def rerankers_voyage(url: str) -> list[int]:
    """As Voyage."""
    return _rerankers("voyage", f"{url}/v1/rerank")


@call("rerankers", "Reranker, text-embeddings-inference")
def rerankers_tei(url: str) -> list[int]:
    """As text-embeddings-inference."""
    return _rerankers("text-embeddings-inference", f"{url}/rerank")


def _rerankers(provider: str, url: str) -> list[int]:
    from rerankers.models.api_rankers import APIRanker

    found = APIRanker("m", api_key="key", api_provider=provider, url=url, verbose=0).rank(QUERY, TEXTS)
    return [row.document.doc_id for row in found.results]


@call("llama-index-postprocessor-tei-rerank", "TextEmbeddingInference")
def llama_tei(url: str) -> list[int]:
    """As text-embeddings-inference."""
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    return _llama(TextEmbeddingInference(base_url=url, top_n=3))


@call("llama-index-postprocessor-cohere-rerank", "CohereRerank")
def llama_cohere(url: str) -> list[int]:
    """As Cohere."""
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    return _llama(CohereRerank(api_key="key", base_url=url, top_n=3))


@call("llama-index-postprocessor-jinaai-rerank", "JinaRerank")
def llama_jina(url: str) -> list[int]:
    """As Jina."""
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    return _llama(JinaRerank(api_key="key", base_url=f"{url}/v1", top_n=3))


def _llama(postprocessor: Any) -> list[int]:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(id_=str(place), text=text), score=0.1) for place, text in enumerate(TEXTS)]
    return [int(each.node.node_id) for each in postprocessor.postprocess_nodes(nodes, query_str=QUERY)]


@call("huggingface-api-haystack", "HuggingFaceTEIRanker")
def haystack_tei(url: str) -> list[int]:
    """As text-embeddings-inference."""
    from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker

    return _haystack(HuggingFaceTEIRanker(url=url, token=None))


@call("cohere-haystack", "CohereRanker")
def haystack_cohere(url: str) -> list[int]:
    """As Cohere."""
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.cohere import CohereRanker

    return _haystack(CohereRanker(api_key=Secret.from_token("key"), api_base_url=url))


@call("jina-haystack", "JinaRanker")
def haystack_jina(url: str) -> list[int]:
    """As Jina."""
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.jina import JinaRanker

    return _haystack(JinaRanker(api_key=Secret.from_token("key"), base_url=f"{url}/v1/rerank"))


def _haystack(ranker: Any) -> list[int]:
    from haystack import Document

    documents = [Document(id=str(place), content=text) for place, text in enumerate(TEXTS)]
    if hasattr(ranker, "warm_up"):
        ranker.warm_up()
    return [int(each.id) for each in ranker.run(query=QUERY, documents=documents)["documents"]]


if __name__ == "__main__":
    main()
