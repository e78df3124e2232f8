"""What clients send and get: the dialects of text-embeddings-inference, Jina, Cohere v1 and Cohere v2.

Fields that a dialect does not know are ignored, since clients of one send those of another. Answers hold the keys
below and no others: Elasticsearch's Cohere parser throws on any it does not know.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from relsearch.live.service.refusals import ErrorType

_LOWEST = 1.5e-300  # below, a float64 loses digits


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document's place in the request and its score."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost: its distinct pairs' tokens as the model reads them, and the texts that were cut."""

    total_tokens: int
    truncated: int | None = None  # None: the scorer's tokenizer is unknown


class RerankRequest(BaseModel):
    """What the dialects have in common."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    query: str

    @property
    def passages(self) -> list[str]:
        """The texts to score."""
        raise NotImplementedError

    @property
    def limit(self) -> int | None:
        """How many results are wanted; None: all."""
        return None

    @property
    def urgency(self) -> int:
        """0 is most urgent; less urgent requests wait."""
        return 0

    @property
    def whole_texts_only(self) -> bool:
        """Whether a text that must be cut is an error."""
        return False

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> Any:
        """Return the JSON of the response."""
        raise NotImplementedError


class TeiRequest(RerankRequest):
    """text-embeddings-inference: `texts`, answered by a bare array."""

    texts: list[str]
    raw_scores: bool | None = Field(False, description="Give the score's log-odds instead of the score.")
    return_text: bool | None = False
    truncate: bool | None = Field(None, description="false: refuse texts that the model cannot read whole.")
    truncation_direction: Literal["Right", "right"] | None = "Right"

    @property
    def passages(self) -> list[str]:
        """The texts to score."""
        return self.texts

    @property
    def whole_texts_only(self) -> bool:
        """Whether the client forbade cutting."""
        return self.truncate is False

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> list[dict[str, Any]]:
        """Return index and score of each text, and the text where asked for."""
        return [
            {"index": row.index, "score": log_odds(row.score) if self.raw_scores else written(row.score)}
            | ({"text": self.texts[row.index]} if self.return_text else {})
            for row in ranked
        ]


class DocumentObject(BaseModel):
    """A document as an object; other fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str


class JinaRequest(RerankRequest):
    """Jina and Cohere v1: `documents` of strings or objects, answered with usage."""

    documents: list[str | DocumentObject]
    model: str | None = None
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = False

    @property
    def passages(self) -> list[str]:
        """The texts to score."""
        return [entry if isinstance(entry, str) else entry.text for entry in self.documents]

    @property
    def limit(self) -> int | None:
        """How many results are wanted."""
        return self.top_n

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> dict[str, Any]:
        """Return the results, and each document where asked for."""
        texts = self.passages
        results = [
            {"index": row.index, "relevance_score": written(row.score)}
            | ({"document": {"text": texts[row.index]}} if self.return_documents else {})
            for row in ranked
        ]
        return {"model": model, "usage": {"total_tokens": usage.total_tokens}, "results": results}


class CohereRequest(RerankRequest):
    """Cohere v2: `documents` of strings; results never repeat them."""

    model: str
    documents: list[str]
    top_n: Annotated[int, Field(ge=1)] | None = None
    max_tokens_per_doc: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Accepted; how much of a text is read is the bundle's own setting, see /info."
    )
    priority: Annotated[int, Field(ge=0, le=999)] | None = Field(0, description="0 is served first.")

    @property
    def passages(self) -> list[str]:
        """The texts to score."""
        return self.documents

    @property
    def limit(self) -> int | None:
        """How many results are wanted."""
        return self.top_n

    @property
    def urgency(self) -> int:
        """The priority, 0 the highest."""
        return self.priority or 0

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> dict[str, Any]:
        """Return the results under an id of their own."""
        results = [{"index": row.index, "relevance_score": written(row.score)} for row in ranked]
        meta = {"api_version": {"version": "2"}, "tokens": {"input_tokens": usage.total_tokens}}
        return {"id": str(uuid.uuid4()), "results": results, "meta": meta}


class TeiResult(BaseModel):
    """One text's place."""

    index: int
    score: float
    text: str | None = None


class Result(BaseModel):
    """One document's place."""

    index: int
    relevance_score: float
    document: DocumentObject | None = None


class JinaResponse(BaseModel):
    """The answer to Jina and Cohere v1."""

    model: str
    usage: dict[str, int]
    results: list[Result]


class CohereResponse(BaseModel):
    """The answer to Cohere v2."""

    id: str
    results: list[Result]
    meta: dict[str, Any]


class ErrorResponse(BaseModel):
    """The body of every error."""

    error: str
    error_type: ErrorType


def written(score: float) -> float:
    """Return the score as JSON shall show it: at most 18 characters, a decimal point, neither 0 nor 1.

    OpenSearch casts each number to a Double, and its JSON reader makes 0 and 1 integers and longer numbers BigDecimals.
    """
    if score >= 1e-4:
        return min(round(score, 15), 0.999999999999999)
    shown = float(f"{max(score, _LOWEST):.9e}")
    return shown if "." in repr(shown) else float(f"{shown * (1 + 1e-9):.9e}")  # 1e-05 has no point


def log_odds(score: float) -> float:
    """Return ln(p / (1 - p))."""
    return math.log(score) - math.log1p(-score)
