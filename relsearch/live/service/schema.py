"""What clients get, as the OpenAPI document shows it, and how scores are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

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


class TeiResult(BaseModel):
    """One text's place."""

    index: int
    score: float
    text: str | None = None


class Result(BaseModel):
    """One document's place."""

    index: int
    relevance_score: float
    document: dict[str, Any] | str | None = None


class JinaResponse(BaseModel):
    """The answer to Jina and Cohere v1."""

    model: str
    usage: dict[str, int]
    results: list[Result]


class VoyageResponse(BaseModel):
    """The answer to Voyage."""

    object: str
    data: list[Result]
    model: str
    usage: dict[str, int]


class InfinityResponse(JinaResponse):
    """The answer to Infinity."""

    object: str
    id: str
    created: int


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
