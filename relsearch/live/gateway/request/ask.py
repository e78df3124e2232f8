"""What a search body asks of the gateway, under `ext.relsearch`.

`true` or `{}` asks for reranking by the index's rules, `false` turns it off for a configured index, and an object
may set query, window, budget_ms, mix, feedback, fields, template, original and strict for this search. A search that
asks for what cannot be reranked comes back as the engine answers it, marked; with `strict` it is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from relsearch.core.settings.load import explain
from relsearch.core.settings.section import Section
from relsearch.live.gateway.config import Rules
from relsearch.live.gateway.json_slices import member, with_members
from relsearch.live.gateway.refusals import BadAskError


class Ask(Section):
    """One search's wishes; what is left out is as the index's rules say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    query: str | None = Field(None, min_length=1)
    window: int | None = None
    budget_ms: int | None = None
    mix: float | None = None
    feedback: float | None = None
    fields: dict[str, str] | None = None
    template: str | None = None
    original: bool | None = None
    strict: bool = False

    def apply(self, rules: Rules) -> Rules:
        """Return the rules as this search wants them; raise BadAskError for a value out of range."""
        wishes = self.model_dump(exclude_none=True, exclude={"query", "strict"})
        try:
            return Rules.model_validate({**rules.model_dump(), **wishes})
        except ValidationError as exc:
            raise BadAskError(_reason(exc)) from exc


def take_ask(body: Mapping[str, Any], text: str) -> tuple[Ask | bool | None, str]:
    """Return what stands under a body's `ext.relsearch` (None: nothing) and its JSON text without it."""
    ext = body.get("ext")
    if not isinstance(ext, dict) or "relsearch" not in ext:
        return None, text
    kept = with_members(member(text, "ext"), {"relsearch": None}) if len(ext) > 1 else None
    return _ask(ext["relsearch"]), with_members(text, {"ext": kept})


def _ask(value: object) -> Ask | bool:
    if value is False:
        return False
    try:
        return Ask.model_validate({} if value is True else value)
    except ValidationError as exc:
        raise BadAskError(_reason(exc)) from exc


def _reason(exc: ValidationError) -> str:
    error = exc.errors(include_url=False, include_input=False)[0]
    return f"ext.relsearch: {explain(Ask, [str(part) for part in error['loc']], error['type'], error['msg'])}"
