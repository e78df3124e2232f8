"""How a chat endpoint is asked for a grade, and how its reply becomes a distribution over grades or nothing.

logprobs  one token, and the log-probabilities of the likeliest tokens in its place
schema    JSON that the endpoint holds to the scale: {"grade": 2}
plain     text that is a grade and nothing else
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from relsearch.core.types import Scale

Mode = Literal["logprobs", "schema", "plain"]
Distribution = tuple[float, ...]  # one probability a grade, lowest grade first

# Room for {"grade": 2} with the blanks and line breaks that small models put in.
_SCHEMA_TOKENS = 64
# More than a grade needs: an answer of one token could be the first word of a sentence, and must show it.
_PLAIN_TOKENS = 8
# Tokenizers mark a leading space in their own ways, and some endpoints pass the mark on.
_SPACES = " \t\r\n\N{LOWER ONE EIGHTH BLOCK}\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"


class TopToken(BaseModel):
    """A token that could have stood at a position."""

    token: str
    logprob: float


class Position(BaseModel):
    """The likeliest tokens of one position."""

    top_logprobs: tuple[TopToken, ...] = ()


class Logprobs(BaseModel):
    """The positions of an answer."""

    content: tuple[Position, ...] | None = None


class Message(BaseModel):
    """What the model said."""

    content: str | None = None


class Choice(BaseModel):
    """One answer."""

    message: Message = Message()
    logprobs: Logprobs | None = None


class TokenCounts(BaseModel):
    """What the endpoint counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Reply(BaseModel):
    """A chat completion, as far as a judge reads it."""

    choices: tuple[Choice, ...]
    usage: TokenCounts | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    grade: int


def request_options(mode: Mode, scale: Scale, *, top_logprobs: int) -> dict[str, JsonValue]:
    """Return the part of a request that asks for an answer in this mode."""
    if mode == "logprobs":
        return {"max_tokens": 1, "logprobs": True, "top_logprobs": top_logprobs}
    if mode == "plain":
        return {"max_tokens": _PLAIN_TOKENS}
    schema: JsonValue = {
        "type": "object",
        "properties": {"grade": {"type": "integer", "enum": list(scale.grades)}},
        "required": ["grade"],
        "additionalProperties": False,
    }
    named: JsonValue = {"name": "grade", "strict": True, "schema": schema}
    return {"max_tokens": _SCHEMA_TOKENS, "response_format": {"type": "json_schema", "json_schema": named}}


def distribution(mode: Mode, reply: Reply, scale: Scale) -> Distribution | None:
    """Return the reply's distribution over the scale's grades, None where it gives no grade.

    Log-probabilities are shared out among the grades that are listed; a grade that is not gets 0. An answer in words
    is certain of itself: nothing else is known of it.
    """
    if not reply.choices:
        return None
    choice = reply.choices[0]
    if mode == "logprobs":
        return _shared(choice.logprobs, scale)
    text = choice.message.content or ""
    grade = _schema_grade(text) if mode == "schema" else _labels(scale).get(text.strip())
    return tuple(float(level == grade) for level in scale.grades) if grade in scale.grades else None


def _shared(logprobs: Logprobs | None, scale: Scale) -> Distribution | None:
    if logprobs is None or not logprobs.content:
        return None
    labels, mass = _labels(scale), dict.fromkeys(scale.grades, 0.0)
    for top in logprobs.content[0].top_logprobs:
        grade = labels.get(top.token.strip(_SPACES))
        if grade is not None:
            mass[grade] += math.exp(top.logprob)
    total = sum(mass.values())
    return tuple(share / total for share in mass.values()) if total > 0 else None


def _schema_grade(text: str) -> int | None:
    try:
        return _Answer.model_validate_json(text).grade
    except ValidationError:
        return None


def _labels(scale: Scale) -> dict[str, int]:
    return {str(grade): grade for grade in scale.grades}
