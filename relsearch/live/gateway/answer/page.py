"""The answer to a widened search, turned into the page that the client asked for.

Nothing is written anew: hits are slices of the engine's own text, put into another order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relsearch.live.gateway.answer.documents import read_text
from relsearch.live.gateway.answer.order import Placed
from relsearch.live.gateway.json_slices import Edit, Slice, edited, scan, skip_space, visit_array, visit_object
from relsearch.live.gateway.request.rewrite import Plan

_NOWHERE = Slice(0, 0)


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a hit and its members stand, the engine's score of it, and what the reranker reads of it."""

    place: Slice
    members: dict[str, Slice]
    score: float
    text: str


@dataclass(slots=True)
class Page:
    """An engine's answer to one search, by position in the text that holds it."""

    text: str
    place: Slice = _NOWHERE
    hits: list[Hit] = field(default_factory=list)
    list_at: Slice | None = None
    max_score_at: Slice | None = None
    timed_out: bool = False
    status: int | None = None  # of one answer among many
    failed: bool = False


def read_page(text: str, at: int = 0, *, plan: Plan | None, most: int = 0) -> Page:
    """Take the answer at a place apart; with a plan, up to `most` characters of each hit of its window are read.

    Raise ValueError where the text is no answer to a search.
    """
    page = Page(text)

    def visit_hits(name: str, _: int, value: int) -> int:
        if name == "hits" and text[value] == "[":
            end = visit_array(text, value, visit_hit)
            page.list_at = Slice(value, end)
            return end
        end = scan(text, value)[1]
        if name == "max_score":
            page.max_score_at = Slice(value, end)
        return end

    def visit_hit(place: int) -> int:
        wanted = plan if plan is not None and len(page.hits) < plan.rules.window else None
        hit = _read_hit(text, place, wanted, most)
        page.hits.append(hit)
        return hit.place.end

    def visit(name: str, _: int, value: int) -> int:
        if name == "hits" and text[value] == "{":
            return visit_object(text, value, visit_hits)
        found, end = scan(text, value)
        page.timed_out |= name == "timed_out" and found is True
        page.failed |= name == "error"
        if name == "status" and isinstance(found, int):
            page.status = found
        return end

    start = skip_space(text, at)
    page.place = Slice(start, visit_object(text, start, visit))
    return page


def _read_hit(text: str, place: int, plan: Plan | None, most: int) -> Hit:
    members: dict[str, Slice] = {}
    found: dict[str, Any] = {}

    def visit(name: str, _: int, value: int) -> int:
        read, end = scan(text, value)
        members[name] = Slice(value, end)
        if name in ("_score", "_source", "fields"):
            found[name] = read
        return end

    end = visit_object(text, place, visit)
    words = read_text(found, plan.template, plan.rules.fields, most=most) if plan else ""
    return Hit(Slice(place, end), members, _number(found.get("_score")), words)


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


def _list(page: Page, slices: Sequence[str]) -> str:
    """The hits as an array, with the white space that the engine puts around them."""
    text, hits, place = page.text, page.hits, page.list_at or _NOWHERE
    if not slices:
        return "[]"
    between = text[hits[0].place.end : hits[1].place.start] if len(hits) > 1 else ","
    return text[place.start : hits[0].place.start] + between.join(slices) + text[hits[-1].place.end : place.end]


def _restored(page: Page, plan: Plan, hit: Hit, placed: Placed | None) -> str:
    """The hit with the part of its source that the client wants, and with its new score."""
    edits = []
    score, source, fields = (hit.members.get(name) for name in ("_score", "_source", "fields"))
    if placed is not None and score is not None:
        edits.append(Edit(*score, _json_number(placed.score)))
    if source is not None and plan.source.wanted and not plan.source.keeps_all:
        edits.append(Edit(*source, plan.source.apply(page.text, source.start)))
    kept = f'"relsearch.rank":[{placed.place + 1}],"relsearch.score":[{json.dumps(hit.score)}]' if placed else ""
    kept = kept if plan.rules.original else ""
    if kept and fields is not None:
        comma = "," if scan(page.text, fields.start)[0] else ""
        edits.append(Edit(fields.end - 1, fields.end, f"{comma}{kept}}}"))
    elif kept:
        edits.append(Edit(hit.place.end - 1, hit.place.end, f',"fields":{{{kept}}}}}'))
    text = edited(page.text, edits, span=hit.place)
    return text if plan.source.wanted or source is None else _without_source(text)


def _without_source(hit: str) -> str:
    """The hit without its `_source`, which only the reranker wanted."""
    places: list[tuple[str, int, int]] = []

    def visit(name: str, member: int, value: int) -> int:
        end = scan(hit, value)[1]
        places.append((name, member, end))
        return end

    visit_object(hit, 0, visit)
    names = [name for name, _, _ in places]
    turn = names.index("_source")
    if turn + 1 < len(places):
        return hit[: places[turn][1]] + hit[places[turn + 1][1] :]
    return hit[: places[turn - 1][2] if turn else places[turn][1]] + hit[places[turn][2] :]


def _json_number(value: float) -> str:
    return json.dumps(float(value), allow_nan=False)
