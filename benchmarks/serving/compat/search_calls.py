"""Calls of search clients through the gateway; run by the Python of an environment that has some of them.

`python search_calls.py GATEWAY_URL NAME` prints one line of JSON for each call whose client speaks to NAME, which is
elasticsearch or opensearch. The gateway reranks the index `tea` without being asked, and leaves the engine's rank in
each hit, so a call works if its first hit has one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

WORDS = "how long is green tea steeped"
BODY: Mapping[str, Any] = {"query": {"match": {"text": WORDS}}}
RANK = "relsearch.rank"
Call = Callable[[str], Any]
CALLS: list[tuple[str, str, str, Call]] = []


def call(package: str, engine: str, what: str) -> Callable[[Call], Call]:
    """Register a call by its package, its engine, and what is called; it returns the first hit."""

    def add(function: Call) -> Call:
        CALLS.append((package, engine, what, function))
        return function

    return add


def main() -> None:
    """Make every call whose package is installed and whose engine is there."""
    url, name = sys.argv[1:3]
    for package, engine, what, function in CALLS:
        try:
            number = version(package)
        except PackageNotFoundError:
            continue
        if engine != name:
            continue
        row: dict[str, Any] = {"client": package, "version": number, "called": what}
        try:
            works = RANK in function(url).get("fields", {})
            row |= {"works": works, "said": "" if works else "the hits are in the engine's order"}
        except Exception as exc:
            row |= {"works": False, "said": f"{type(exc).__name__}: {exc}"[:300]}
        print(json.dumps(row), flush=True)


@call("elasticsearch", "elasticsearch", "Elasticsearch.search")
def elastic_search(url: str) -> Any:
    """One search."""
    from elasticsearch import Elasticsearch

    with Elasticsearch(url) as client:
        return client.search(index="tea", **BODY)["hits"]["hits"][0]


@call("elasticsearch", "elasticsearch", "Elasticsearch.msearch")
def elastic_msearch(url: str) -> Any:
    """Two searches at once."""
    from elasticsearch import Elasticsearch

    with Elasticsearch(url) as client:
        answers = client.msearch(searches=[{"index": "tea"}, BODY, {"index": "tea"}, BODY])["responses"]
    return answers[1]["hits"]["hits"][0]


@call("elasticsearch", "elasticsearch", "AsyncElasticsearch.search, compressed")
def elastic_async(url: str) -> Any:
    """Awaited, bodies and answers compressed."""
    import asyncio

    from elasticsearch import AsyncElasticsearch

    async def search() -> Any:
        async with AsyncElasticsearch(url, http_compress=True) as client:
            return (await client.search(index="tea", **BODY))["hits"]["hits"][0]

    return asyncio.run(search())


@call("elasticsearch", "elasticsearch", "Elasticsearch.search, sniffing")
def elastic_sniffing(url: str) -> Any:
    """A client that asks for the nodes' addresses first."""
    from elasticsearch import Elasticsearch

    with Elasticsearch(url, sniff_on_start=True) as client:
        return client.search(index="tea", **BODY)["hits"]["hits"][0]


@call("langchain-elasticsearch", "elasticsearch", "ElasticsearchRetriever")
def langchain_elastic(url: str) -> Any:
    """Its retriever, whose body is one's own."""
    from langchain_elasticsearch import ElasticsearchRetriever

    retriever = ElasticsearchRetriever("tea", lambda words: dict(BODY), content_field="text", es_url=url)
    return retriever.invoke(WORDS)[0].metadata


@call("opensearch-py", "opensearch", "OpenSearch.search")
def opensearch_search(url: str) -> Any:
    """One search."""
    from opensearchpy import OpenSearch

    with OpenSearch(url) as client:
        return client.search(index="tea", body=dict(BODY))["hits"]["hits"][0]


@call("opensearch-py", "opensearch", "OpenSearch.msearch")
def opensearch_msearch(url: str) -> Any:
    """Two searches at once."""
    from opensearchpy import OpenSearch

    with OpenSearch(url) as client:
        answers = client.msearch(body=[{"index": "tea"}, BODY, {"index": "tea"}, BODY])["responses"]
    return answers[1]["hits"]["hits"][0]


@call("opensearch-py", "opensearch", "AsyncOpenSearch.search")
def opensearch_async(url: str) -> Any:
    """Awaited."""
    import asyncio

    from opensearchpy import AsyncOpenSearch

    async def search() -> Any:
        async with AsyncOpenSearch(url) as client:
            return (await client.search(index="tea", body=dict(BODY)))["hits"]["hits"][0]

    return asyncio.run(search())


@call("opensearch-py", "opensearch", "OpenSearch.search, sniffing")
def opensearch_sniffing(url: str) -> Any:
    """A client that asks for the nodes' addresses first."""
    from opensearchpy import OpenSearch

    with OpenSearch(url, sniff_on_start=True) as client:
        return client.search(index="tea", body=dict(BODY))["hits"]["hits"][0]


if __name__ == "__main__":
    main()
