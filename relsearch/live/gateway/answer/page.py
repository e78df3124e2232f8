"""The answer to a widened search, turned into the page that the client asked for.

Nothing is written anew: hits are slices of the engine's own text, put into another order.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relsearch.live.gateway.answer.documents import read_text
from relsearch.live.gateway.json_slices import (
    Edit,
    Slice,
    Text,
    edited,
    end_of,
    scan,
    scan_short,
    skip_space,
    visit_array,
    visit_object,
)
from relsearch.live.gateway.refusals import LateError
from relsearch.live.gateway.request.rewrite import Plan
from relsearch.rerank.partly import Placed

_NOWHERE = Slice(0, 0)


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a hit stands, the engine's score of it, and what the reranker reads of it."""

    place: Slice
    score: float
    text: str


@dataclass(slots=True)
class Page:
    """An engine's answer to one search, by position in the text that holds it."""

    text: Text
    place: Slice = _NOWHERE
    hits: list[Hit] = field(default_factory=list)
    list_at: Slice | None = None
    max_score_at: Slice | None = None
    timed_out: bool = False
    status: int | None = None  # of one answer among many
    failed: bool = False


def read_page(text: Text, at: int = 0, *, plan: Plan | None, most: int = 0, until: float = math.inf) -> Page:
    """Take the answer at a place apart; with a plan, up to `most` characters of each hit of its window are read.

    Raise ValueError where the text is no answer to a search, LateError once it is past `until` of time.monotonic.
    """
    page = Page(text)

    def visit_hits(name: str, _: int, value: int) -> int:
        if name == "hits" and text[value : value + 1] == b"[":
            end = visit_array(text, value, visit_hit)
            page.list_at = Slice(value, end)
            return end
        end = end_of(text, value)
        if name == "max_score":
            page.max_score_at = Slice(value, end)
        return end

    def visit_hit(place: int) -> int:
        if time.monotonic() > until:
            raise LateError
        wanted = plan if plan is not None and len(page.hits) < plan.rules.window else None
        hit = _read_hit(text, place, wanted, most)
        page.hits.append(hit)
        return hit.place.end

    def visit(name: str, _: int, value: int) -> int:
        if name == "hits" and text[value : value + 1] == b"{":
            return visit_object(text, value, visit_hits)
        end = end_of(text, value)
        page.failed |= name == "error"
        if name == "timed_out":
            page.timed_out = text[value:end] == b"true"
        elif name == "status":
            page.status = int(text[value:end])
        return end

    start = skip_space(text, at)
    page.place = Slice(start, visit_object(text, start, visit))
    return page


def _read_hit(text: Text, place: int, plan: Plan | None, most: int) -> Hit:
    found: dict[str, Any]
    short = scan_short(text, place) if text[place : place + 1] == b"{" else None
    if short is not None:
        found, end = short
    else:
        members, end = _members(text, place)
        # _score always; what the reranker reads only where a plan says that this hit is read.
        names = ("_score", "_source", "fields") if plan else ("_score",)
        found = {name: _value(members[name].read(text)) for name in names if name in members}
    try:
        words = read_text(found, plan.template, plan.rules.fields, most=most) if plan else ""
    except RecursionError:
        words = ""
    return Hit(Slice(place, end), _number(found.get("_score")), words)


def _value(text: bytes) -> Any:
    """A value of a hit; nothing where it is nested deeper than Python reads."""
    try:
        return json.loads(text)
    except RecursionError:
        return None


def _members(text: Text, place: int) -> tuple[dict[str, Slice], int]:
    """Where each member of a hit stands, and where the hit ends."""
    members: dict[str, Slice] = {}

    def visit(name: str, _: int, value: int) -> int:
        end = end_of(text, value)
        members[name] = Slice(value, end)
        return end

    return members, visit_object(text, place, visit)


def _number(value: object) -> float:
    """An engine's score, 0 where it gave none: null where it sorted by a field, a string where it is not finite."""
    finite = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if finite else 0.0  # type: ignore[arg-type]  # finite says that it is a number


def reranked(page: Page, plan: Plan, placed: Sequence[Placed]) -> list[Edit]:
    """Return the edits that give the client its page in a new order, with the scores of that order."""
    if page.list_at is None or not page.hits:
        return []
    wanted = placed[plan.start : plan.start + plan.size]
    slices = [_restored(page, plan, page.hits[each.place], each) for each in wanted]
    edits = [Edit(*page.list_at, _list(page, slices))]
    if page.max_score_at is not None:
        edits.append(Edit(*page.max_score_at, _json_number(placed[0].score)))
    return edits


def engines_own(page: Page, plan: Plan) -> list[Edit]:
    """Return the edits that give the client its page in the engine's order, as without the gateway."""
    if page.list_at is None or not page.hits:
        return []
    kept = page.hits[plan.start : plan.start + plan.size]
    return [Edit(*page.list_at, _list(page, [_restored(page, plan, hit, None) for hit in kept]))]


def rescored(page: Page, scores: Sequence[float]) -> list[Edit]:
    """Return the edits that give the hits other scores in the order in which they stand."""
    found = [_members(page.text, hit.place.start)[0].get("_score") for hit in page.hits]
    shown = zip(found, scores, strict=True)
    return [Edit(*place, _json_number(score)) for place, score in shown if place is not None]


def _list(page: Page, slices: Sequence[bytes]) -> bytes:
    """The hits as an array, with the white space that the engine puts around them."""
    text, hits, place = page.text, page.hits, page.list_at or _NOWHERE
    if not slices:
        return b"[]"
    between = bytes(text[hits[0].place.end : hits[1].place.start]) if len(hits) > 1 else b","
    before, after = text[place.start : hits[0].place.start], text[hits[-1].place.end : place.end]
    return bytes(before) + between.join(slices) + bytes(after)


def _restored(page: Page, plan: Plan, hit: Hit, placed: Placed | None) -> bytes:
    """The hit with the part of its source that the client wants, and with its new score."""
    edits = []
    members, _ = _members(page.text, hit.place.start)
    score, source, fields = (members.get(name) for name in ("_score", "_source", "fields"))
    if placed is not None and score is not None:
        edits.append(Edit(*score, _json_number(placed.score)))
    if source is not None and plan.source.wanted and not plan.source.keeps_all:
        edits.append(Edit(*source, plan.source.apply(page.text, source.start)))
    if placed is not None and plan.rules.original:
        kept = b'"relsearch.rank":[%d],"relsearch.score":[%s]' % (placed.place + 1, _json_number(hit.score))
        if fields is None:
            edits.append(Edit(hit.place.end - 1, hit.place.end, b',"fields":{%s}}' % kept))
        else:
            comma = b"," if scan(page.text, fields.start)[0] else b""
            edits.append(Edit(fields.end - 1, fields.end, comma + kept + b"}"))
    text = edited(page.text, edits, span=hit.place)
    return text if plan.source.wanted or source is None else _without_source(text)


def _without_source(hit: bytes) -> bytes:
    """The hit without its `_source`, which only the reranker wanted."""
    places: list[tuple[str, int, int]] = []

    def visit(name: str, member: int, value: int) -> int:
        end = end_of(hit, value)
        places.append((name, member, end))
        return end

    visit_object(hit, 0, visit)
    turn = [name for name, _, _ in places].index("_source")
    if turn + 1 < len(places):
        return hit[: places[turn][1]] + hit[places[turn + 1][1] :]
    return hit[: places[turn - 1][2] if turn else places[turn][1]] + hit[places[turn][2] :]


def _json_number(value: float) -> bytes:
    return json.dumps(float(value), allow_nan=False).encode()
