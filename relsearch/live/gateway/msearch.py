"""`_msearch` and `_msearch/template`: each search is decided by itself, all go to the engine in one request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from relsearch.live.gateway.answer.page import engines_own
from relsearch.live.gateway.answer.ranking import Decision, Ranking, bypassed
from relsearch.live.gateway.proxy import Upstream, forward, relay, request_headers
from relsearch.live.gateway.request.ask import Ask, take_ask
from relsearch.live.gateway.request.reading import SearchPath, is_json, json_answered, json_bytes, json_object
from relsearch.live.gateway.request.rewrite import Search
from relsearch.live.gateway.request.templates import rendered
from relsearch.live.gateway.search import REWRITTEN, json_answer, post, send_body


@dataclass(frozen=True, slots=True)
class Item:
    """One search of the request: its header line as it came, its index expression and its body."""

    header: bytes
    target: str
    body: dict[str, Any]
    ask: Ask | bool | None = None


async def answer_msearch(
    request: web.BaseRequest, path: SearchPath, raw: bytes, text: bytes, *, upstream: Upstream, ranking: Ranking
) -> web.StreamResponse:
    """Answer many searches; raise BadAskError if one of them cannot be honoured. `text` is `raw` uncompressed."""
    try:
        items = read_items(text, path.names)
    except ValueError:
        return await forward(request, upstream, body=raw)
    if not any(ranking.concerns(item.target, json_bytes(item.body)) for item in items):
        return await forward(request, upstream, body=raw)
    if path.template:
        found = await _rendered(request, items, upstream)
        if found is None:
            # Without what the gateway alone understands; the engine says what is wrong with a template.
            plain = [Item(item.header, item.target, take_ask(item.body)[1]) for item in items]
            return await send_body(request, upstream, request.raw_path, _lines(plain), mark=bypassed("template"))
        items = found
    searches = [Search(item.target, item.body, path.parameters) for item in items]
    decisions = [ranking.decide(search, ask=item.ask) for search, item in zip(searches, items, strict=True)]
    if not path.template and not any(decision.plan or decision.changed for decision in decisions):
        return await forward(request, upstream, body=raw, mark=summary([decision.mark for decision in decisions]))
    return await _Batch(request, path, items, decisions, upstream, ranking).answer()


def read_items(text: bytes, default_target: str) -> list[Item]:
    """Return the searches of a body of JSON lines; raise ValueError where it is none."""
    lines = text.split(b"\n")
    if lines and not lines[-1].strip():
        lines.pop()
    if len(lines) % 2:
        raise ValueError("a header line has no body")
    return [_item(header, body, default_target) for header, body in zip(lines[::2], lines[1::2], strict=True)]


def _item(header: bytes, body: bytes, default_target: str) -> Item:
    names = json_object(header).get("index") or default_target
    return Item(header, ",".join(map(str, names)) if isinstance(names, list) else str(names), json_object(body))


async def _rendered(request: web.BaseRequest, items: Sequence[Item], upstream: Upstream) -> list[Item] | None:
    asked = [take_ask(item.body) for item in items]
    bodies = await rendered(upstream, request_headers(request, without=REWRITTEN), [body for _, body in asked])
    if bodies is None:
        return None
    return [
        Item(item.header, item.target, body, ask) for item, body, (ask, _) in zip(items, bodies, asked, strict=True)
    ]


def _lines(items: Sequence[Item]) -> bytes:
    return b"".join(item.header + b"\n" + json_bytes(item.body) + b"\n" for item in items)


def summary(marks: Sequence[str]) -> str:
    """Return the marks of many answers as one header: each distinct mark and how many searches have it."""
    counts = Counter(mark.replace("; hits=", ";hits=").split(";hits=")[0] for mark in marks if mark)
    return ", ".join(f"{mark}; searches={count}" for mark, count in sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class _Batch:
    request: web.BaseRequest
    path: SearchPath
    items: Sequence[Item]
    decisions: Sequence[Decision]
    upstream: Upstream
    ranking: Ranking

    async def answer(self) -> web.StreamResponse:
        bodies = [decision.plan.body if decision.plan else decision.search.body for decision in self.decisions]
        url = self.path.url(self.path.parameters)
        async with await post(self.request, self.upstream, url, self._written(range(len(bodies)), bodies)) as answer:
            if answer.status != 200 or not is_json(answer.content_type):
                return await relay(self.request, answer, mark=bypassed("engine_error"))
            value = await json_answered(answer)
            responses, marks = await self._ranked(await self._with_refused(value.get("responses", [])))
            return json_answer(self.request, answer, {**value, "responses": responses}, summary(marks))

    def _written(self, positions: Sequence[int], bodies: Sequence[Mapping[str, Any]]) -> bytes:
        return _lines([Item(self.items[at].header, "", dict(bodies[at])) for at in positions])

    async def _with_refused(self, responses: list[Any]) -> list[Any]:
        """Ask again, as it came, for each search that the engine refused when widened."""
        refused = [
            at
            for at, (response, decision) in enumerate(zip(responses, self.decisions, strict=True))
            if decision.plan and response.get("status") == 400
        ]
        if not refused:
            return responses
        bodies = [decision.search.body for decision in self.decisions]
        url = self.path.url(self.path.parameters)
        async with await post(self.request, self.upstream, url, self._written(refused, bodies)) as answer:
            if answer.status == 200:
                again = (await json_answered(answer)).get("responses", [])
                for at, response in zip(refused, again, strict=True):
                    responses[at] = {**response, _AS_IT_CAME: True}
        return responses

    async def _ranked(self, responses: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Rerank one after another; the first that is late ends it for the rest, so that one budget bounds all."""
        ranked, marks, late = [], [], ""
        for response, decision in zip(responses, self.decisions, strict=True):
            page, mark = response, decision.mark
            if decision.plan and response.pop(_AS_IT_CAME, False):
                mark = bypassed("window_refused")
            elif decision.plan and "error" in response:
                mark = bypassed("engine_error")
            elif decision.plan and late:
                page, mark = engines_own(response, decision.plan), late
            elif decision.plan:
                page, mark = await self.ranking.rank(response, decision.plan)
                late = mark if mark in _LATE else ""
            ranked.append(page)
            marks.append(mark)
        return ranked, marks


_AS_IT_CAME = "relsearch.as_it_came"  # set and taken away within one request
_LATE = frozenset(bypassed(reason) for reason in ("deadline", "overloaded"))
