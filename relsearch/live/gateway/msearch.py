"""`_msearch` and `_msearch/template`: each search is decided by itself, all go to the engine in one request."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse, ServerTimeoutError, web

from relsearch.live.gateway.answer.page import Page
from relsearch.live.gateway.answer.ranking import Decision, Ranking, bypassed, deadline
from relsearch.live.gateway.json_slices import Edit
from relsearch.live.gateway.proxy import Upstream, forward, header_words, relay, request_headers
from relsearch.live.gateway.refusals import LateError
from relsearch.live.gateway.request.ask import Ask, take_ask
from relsearch.live.gateway.request.reading import (
    SearchPath,
    accepts_gzip,
    chunks_answered,
    is_json,
    json_bytes,
    json_object,
    json_text,
    wants_json,
)
from relsearch.live.gateway.request.rewrite import Search
from relsearch.live.gateway.request.templates import rendered
from relsearch.live.gateway.search import (
    REWRITTEN,
    WORTH_ASKING_AGAIN,
    json_answer,
    post,
    refusal,
    send_body,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One search of the request: its header line as it came, its index expression, its body and the body's text."""

    header: bytes
    target: str
    body: dict[str, Any]
    text: str
    ask: Ask | bool | None = None


async def answer_msearch(
    request: web.BaseRequest, path: SearchPath, raw: bytes, text: bytes, *, upstream: Upstream, ranking: Ranking
) -> web.StreamResponse:
    """Answer many searches; raise BadAskError if one of them cannot be honoured. `text` is `raw` uncompressed."""
    try:
        items = await ranking.off_loop(lambda: _concerned(read_items(text, path.names), ranking), size=len(text))
    except ValueError:
        items = []
    if not items:
        return await forward(request, upstream, body=raw)
    if path.template:
        asked = await ranking.off_loop(lambda: [take_ask(item.body, item.text) for item in items])
        found = await _rendered(request, items, asked, upstream)
        if found is None:
            # Without what the gateway alone understands; the engine says what is wrong with a template.
            lines = _lines([(item.header, template) for item, (_, template) in zip(items, asked, strict=True)])
            return await send_body(request, upstream, request.raw_path, lines, mark=bypassed("template"))
        items = found
    searches = [Search(item.target, item.body, path.parameters, item.text) for item in items]
    in_json, words = wants_json(request), header_words(request)
    # However short the text is: it may hold a thousand searches, half a millisecond each.
    decisions = await ranking.off_loop(
        lambda: [
            ranking.decide(search, ask=item.ask, json_wanted=in_json, words=words)
            for search, item in zip(searches, items, strict=True)
        ]
    )
    if not any(decision.plan for decision in decisions):
        mark = summary([decision.mark for decision in decisions])
        if not path.template and not any(decision.changed for decision in decisions):
            return await forward(request, upstream, body=raw, mark=mark)
        plain = _lines([(item.header, each.search.text) for item, each in zip(items, decisions, strict=True)])
        return await send_body(request, upstream, path.url(path.parameters), plain, mark=mark)
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
    given = json_object(header)
    names = given.get("index") or given.get("indices") or default_target
    target = ",".join(map(str, names)) if isinstance(names, list) else str(names)
    return Item(header, target, json_object(body), json_text(body))


def _concerned(items: list[Item], ranking: Ranking) -> list[Item]:
    """All searches where one of them may be reranked, else none."""
    return items if any(ranking.concerns(item.target, item.text.encode()) for item in items) else []


async def _rendered(
    request: web.BaseRequest, items: Sequence[Item], asked: Sequence[tuple[Ask | bool | None, str]], upstream: Upstream
) -> list[Item] | None:
    bodies = await rendered(upstream, request_headers(request, without=REWRITTEN), [text for _, text in asked])
    if bodies is None:
        return None
    return [
        Item(item.header, item.target, body, json_bytes(body).decode(), ask)
        for item, body, (ask, _) in zip(items, bodies, asked, strict=True)
    ]


def _lines(searches: Sequence[tuple[bytes, str]]) -> bytes:
    return b"".join(header + b"\n" + text.encode() + b"\n" for header, text in searches)


def summary(marks: Sequence[str]) -> str:
    """Return the marks of many answers as one header: each distinct mark and how many searches have it."""
    counts = Counter(mark.partition("; read=")[0] for mark in marks if mark)
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
        """Answer widened searches; whatever the engine does not do for them, it is asked again as the client asked."""
        widened = [each.plan.body if each.plan else each.search.text for each in self.decisions]
        try:
            async with await self._post(range(len(widened)), widened) as answer:
                if answer.status == 200 and is_json(answer.content_type):
                    raw, plans = await chunks_answered(answer), [each.plan for each in self.decisions]
                    until = deadline(plans)
                    pages = await self.ranking.read(raw, plans, many=True, until=until)
                    edits, marks = await self._ranked(pages, await self._as_they_came(pages), until)
                    body = await self.ranking.written(pages[0], edits, compress=accepts_gzip(self.request))
                    return json_answer(self.request, answer, body, summary(marks))
                if answer.status != 200 and answer.status not in WORTH_ASKING_AGAIN:
                    return await relay(self.request, answer, mark=bypassed("engine_error"))
                reason = "unreadable" if answer.status == 200 else refusal(answer.status)
        except LateError:
            reason = "deadline"
        except ServerTimeoutError:
            reason = "engine_timed_out"
        except (ValueError, RecursionError):
            reason = "unreadable"
        marks = [bypassed(reason) if each.plan else each.mark for each in self.decisions]
        plain = self._written(range(len(widened)), [each.search.text for each in self.decisions])
        url = self.path.url(self.path.parameters)
        return await send_body(self.request, self.upstream, url, plain, mark=summary(marks))

    def _written(self, positions: Sequence[int], texts: Sequence[str]) -> bytes:
        return _lines([(self.items[at].header, texts[at]) for at in positions])

    async def _post(self, positions: Sequence[int], texts: Sequence[str]) -> ClientResponse:
        url = self.path.url(self.path.parameters)
        return await post(self.request, self.upstream, url, self._written(positions, texts))

    async def _as_they_came(self, pages: Sequence[Page]) -> dict[int, tuple[str, Page]]:
        """Ask again, as it came, for each search that the engine refused when widened; return why, and the answer."""
        reasons = {
            at: "engine_timed_out" if page.timed_out else refusal(page.status or 0)
            for at, (page, decision) in enumerate(zip(pages, self.decisions, strict=True))
            if decision.plan and (page.timed_out or page.status in WORTH_ASKING_AGAIN)
        }
        if not reasons:
            return {}
        plain = [each.search.text for each in self.decisions]
        async with await self._post(list(reasons), plain) as answer:
            if answer.status != 200:
                return {}
            raw = await chunks_answered(answer)
        never = time.monotonic() + _PATIENCE_S
        again = await self.ranking.read(raw, [None] * len(reasons), many=True, until=never)
        return {at: (reason, page) for (at, reason), page in zip(reasons.items(), again, strict=True)}

    async def _ranked(
        self, pages: Sequence[Page], again: dict[int, tuple[str, Page]], until: float
    ) -> tuple[list[Edit], list[str]]:
        """Rerank all at once, so that one budget bounds them; return the edits of the whole answer, and the marks."""
        results = await asyncio.gather(*(self._one(at, page, again, until) for at, page in enumerate(pages)))
        return [edit for edits, _ in results for edit in edits], [mark for _, mark in results]

    async def _one(
        self, at: int, page: Page, again: dict[int, tuple[str, Page]], until: float
    ) -> tuple[list[Edit], str]:
        plan = self.decisions[at].plan
        if plan is None:
            return [], self.decisions[at].mark
        if at in again:
            reason, other = again[at]
            return [Edit(*page.place, other.place.read(other.text))], bypassed(reason)
        if page.failed:
            return [], bypassed("engine_error")
        return await self.ranking.rank(page, plan, until=until)


_PATIENCE_S = 60.0
