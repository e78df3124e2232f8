"""What clients send: the dialects of text-embeddings-inference, Jina, Cohere v1 and v2, Voyage and Infinity.

Fields that a dialect does not know are ignored, since clients of one send those of another. Answers hold the keys
below and no others: Elasticsearch's Cohere parser throws on any it does not know.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from relsearch.live.service.schema import Ranked, Usage, log_odds, written

Plain = str | int | float | bool | None


class RerankRequest(BaseModel):
    """What the dialects have in common."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    texts_key: ClassVar[str] = "documents"
    marks: ClassVar[frozenset[str]] = frozenset()  # the keys by which requests to the same path are told apart

    query: str

    @classmethod
    def fits(cls, content: Mapping[str, Any]) -> bool:
        """Whether a request with this dialect's list of texts is of this dialect."""
        return not cls.marks or bool(cls.marks & content.keys())

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

    @property
    def ends(self) -> bool:
        """Whether the end of a text that must be cut is read, not its beginning."""
        return False

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> Any:
        """Return the JSON of the response."""
        raise NotImplementedError


class TeiRequest(RerankRequest):
    """text-embeddings-inference: `texts`, answered by a bare array."""

    texts_key = "texts"

    texts: list[Plain]
    raw_scores: bool | None = Field(False, description="Give the score's log-odds instead of the score.")
    return_text: bool | None = False
    truncate: bool | None = Field(None, description="false: refuse texts that the model cannot read whole.")
    truncation_direction: Literal["Right", "right", "Left", "left"] | None = Field(
        "Right", description="Which end of a text that is too long is cut off."
    )

    @property
    def passages(self) -> list[str]:
        """The texts to score."""
        return [text_of(text) for text in self.texts]

    @property
    def ends(self) -> bool:
        """Whether the left end is cut off."""
        return self.truncation_direction in ("Left", "left")

    @property
    def whole_texts_only(self) -> bool:
        """Whether the client forbade cutting."""
        return self.truncate is False

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> list[dict[str, Any]]:
        """Return index and score of each text, and the text where asked for."""
        texts = self.passages
        return [
            {"index": row.index, "score": log_odds(row.score) if self.raw_scores else written(row.score)}
            | ({"text": texts[row.index]} if self.return_text else {})
            for row in ranked
        ]


class JinaRequest(RerankRequest):
    """Jina and Cohere v1: `documents` of strings or objects, answered with usage."""

    documents: list[Plain | dict[str, Any]]
    model: str | None = None
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = False
    rank_fields: list[str] | None = Field(None, description="What of a document that is an object is read, in order.")

    @model_validator(mode="after")
    def _readable(self) -> Self:
        fields = self._fields
        for place, entry in enumerate(self.documents):
            if isinstance(entry, dict) and not any(field in entry for field in fields):
                raise ValueError(
                    f"document {place} has none of the fields {', '.join(fields)}; name some in rank_fields"
                )
        return self

    @property
    def _fields(self) -> Sequence[str]:
        return self.rank_fields or ("text",)

    @property
    def passages(self) -> list[str]:
        """The texts to score."""
        return [text_of(entry, self._fields) for entry in self.documents]

    @property
    def limit(self) -> int | None:
        """How many results are wanted."""
        return self.top_n

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> dict[str, Any]:
        """Return the results, and each document where asked for."""
        results = [
            {"index": row.index, "relevance_score": written(row.score)}
            | ({"document": self._document(row.index)} if self.return_documents else {})
            for row in ranked
        ]
        return {"model": model, "usage": {"total_tokens": usage.total_tokens}, "results": results}

    def _document(self, place: int) -> dict[str, Any]:
        entry = self.documents[place]
        return entry if isinstance(entry, dict) else {"text": text_of(entry)}


class DocumentsRequest(RerankRequest):
    """What those have in common whose documents are texts."""

    documents: list[Plain]

    @property
    def passages(self) -> list[str]:
        """The texts to score."""
        return [text_of(text) for text in self.documents]


class VoyageRequest(DocumentsRequest):
    """Voyage: `documents` with `top_k`, `truncation` or a model of Voyage's, answered under `data`."""

    marks = frozenset({"top_k", "truncation"})

    model: str | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = False
    truncation: bool | None = Field(True, description="false: refuse texts that the model cannot read whole.")

    @classmethod
    def fits(cls, content: Mapping[str, Any]) -> bool:
        """Whether a request has one of the keys, or a model such as rerank-2.5; Cohere's is rerank-v3.5."""
        return super().fits(content) or re.match(r"rerank-(lite-)?\d", str(content.get("model"))) is not None

    @property
    def limit(self) -> int | None:
        """How many results are wanted."""
        return self.top_k

    @property
    def whole_texts_only(self) -> bool:
        """Whether the client forbade cutting."""
        return self.truncation is False

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> dict[str, Any]:
        """Return the results, and each document where asked for."""
        texts = self.passages
        data = [
            {"index": row.index, "relevance_score": written(row.score)}
            | ({"document": texts[row.index]} if self.return_documents else {})
            for row in ranked
        ]
        return {"object": "list", "data": data, "model": model, "usage": {"total_tokens": usage.total_tokens}}


class InfinityRequest(DocumentsRequest):
    """Infinity: `documents` with `raw_scores`, answered with documents as strings."""

    marks = frozenset({"raw_scores"})

    model: str | None = None
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = False
    raw_scores: bool | None = Field(False, description="Give the score's log-odds instead of the score.")

    @property
    def limit(self) -> int | None:
        """How many results are wanted."""
        return self.top_n

    def answer(self, ranked: Sequence[Ranked], usage: Usage, *, model: str) -> dict[str, Any]:
        """Return the results under an id of their own, and each document where asked for."""
        texts = self.passages
        results = [
            {"index": row.index, "relevance_score": log_odds(row.score) if self.raw_scores else written(row.score)}
            | ({"document": texts[row.index]} if self.return_documents else {})
            for row in ranked
        ]
        tokens = {"prompt_tokens": usage.total_tokens, "total_tokens": usage.total_tokens}
        head = {"object": "rerank", "id": str(uuid.uuid4()), "created": int(time.time()), "model": model}
        return {**head, "results": results, "usage": tokens}


class CohereRequest(DocumentsRequest):
    """Cohere v2: `documents` of strings; results never repeat them."""

    model: str
    top_n: Annotated[int, Field(ge=1)] | None = None
    max_tokens_per_doc: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Accepted; how much of a text is read is the bundle's own setting, see /info."
    )
    priority: Annotated[int, Field(ge=0, le=999)] | None = Field(0, description="0 is served first.")

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


def text_of(value: Plain | dict[str, Any], fields: Sequence[str] = ()) -> str:
    """Return a document as text: nothing for null, a number as JSON writes it, of an object the fields, a line each."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(filter(None, (text_of(value.get(field)) for field in fields)))
    return json.dumps(value, ensure_ascii=False)
