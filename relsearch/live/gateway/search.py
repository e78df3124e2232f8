"""`_search` and `_search/template`: read, decide, widen, rerank, answer."""

from __future__ import annotations

from functools import partial

from aiohttp import ClientResponse, ServerTimeoutError, web
from multidict import CIMultiDict

from relsearch.live.gateway.answer.ranking import Decision, Ranking, bypassed, deadline
from relsearch.live.gateway.proxy import (
    MARK_HEADER,
    Upstream,
    forward,
    header_words,
    relay,
    request_headers,
    response_headers,
)
from relsearch.live.gateway.refusals import LateError
from relsearch.live.gateway.request.ask import take_ask
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
from relsearch.live.gateway.request.rewrite import Parameters, Plan, Search
from relsearch.live.gateway.request.templates import rendered

# What no longer fits a body that was written anew; the engine's answer is to come uncompressed.
REWRITTEN = frozenset({"content-encoding", "content-length", "accept-encoding"})
# Why a widened search may fail where the search as it came does not: the window, the load, the memory that it takes.
WORTH_ASKING_AGAIN = frozenset({400, 413, 429, 500, 502, 503, 504})


async def answer_search(
    request: web.BaseRequest, path: SearchPath, raw: bytes, text: bytes, *, upstream: Upstream, ranking: Ranking
) -> web.StreamResponse:
    """Answer one search; raise BadAskError for a request that cannot be honoured. `text` is `raw` uncompressed."""
    given = text or dict(path.parameters).get("source", "").encode()
    try:
        search = await ranking.off_loop(lambda: _read(path, given), size=len(given))
    except ValueError:
        # The engine knows best what to say of a body that is no JSON.
        return await forward(request, upstream, body=raw)
    ask = None
    if path.template:
        ask, template = await ranking.off_loop(partial(take_ask, search.body, search.text), size=len(search.text))
        output = await rendered(upstream, request_headers(request, without=REWRITTEN), [template])
        if output is None:
            mark = "" if ask is False else bypassed("template")
            return await send_body(request, upstream, request.raw_path, template.encode(), mark=mark)
        search = Search(path.names, output[0], path.parameters, json_bytes(output[0]).decode())
    decide = partial(ranking.decide, search, ask=ask, json_wanted=wants_json(request), words=header_words(request))
    decision = await ranking.off_loop(decide, size=len(search.text))
    if decision.plan is not None:
        return await _answer_ranked(request, path, decision, decision.plan, upstream=upstream, ranking=ranking)
    if decision.changed or ask is not None:
        return await _send_plain(request, path, decision, upstream, mark=decision.mark)
    return await forward(request, upstream, body=raw, mark=decision.mark)


def _read(path: SearchPath, given: bytes) -> Search:
    return Search(path.names, json_object(given), path.parameters, json_text(given))


async def _answer_ranked(
    request: web.BaseRequest,
    path: SearchPath,
    decision: Decision,
    plan: Plan,
    *,
    upstream: Upstream,
    ranking: Ranking,
) -> web.StreamResponse:
    """Answer a widened search; whatever the engine does not do for it, it is asked again as the client asked."""
    try:
        async with await post(request, upstream, path.url(plan.parameters), plan.body.encode()) as answer:
            if answer.status == 200 and is_json(answer.content_type):
                raw, until = await chunks_answered(answer), deadline([plan])
                (page,) = await ranking.read(raw, [plan], many=False, until=until)
                if not page.timed_out:
                    edits, mark = await ranking.rank(page, plan, until=until)
                    body = await ranking.written(page, edits, compress=accepts_gzip(request))
                    return json_answer(request, answer, body, mark)
                reason = "engine_timed_out"
            elif answer.status == 200:
                reason = "unreadable"
            elif answer.status in WORTH_ASKING_AGAIN:
                reason = refusal(answer.status)
            else:
                return await relay(request, answer, mark=bypassed("engine_error"))
    except LateError:
        reason = "deadline"
    except ServerTimeoutError:
        reason = "engine_timed_out"
    except (ValueError, RecursionError):
        reason = "unreadable"
    return await _send_plain(request, path, decision, upstream, mark=bypassed(reason))


def refusal(status: int) -> str:
    """Return why a search that the engine refused when it was widened is not reranked."""
    return "window_refused" if status == 400 else f"engine_{status}"


async def _send_plain(
    request: web.BaseRequest, path: SearchPath, decision: Decision, upstream: Upstream, *, mark: str
) -> web.StreamResponse:
    kept: Parameters = tuple(pair for pair in path.parameters if pair[0] not in ("source", "source_content_type"))
    return await send_body(request, upstream, path.url(kept), decision.search.text.encode(), mark=mark)


async def send_body(
    request: web.BaseRequest, upstream: Upstream, url: str, body: bytes, *, mark: str
) -> web.StreamResponse:
    """Send a body from which the gateway's own part was taken, and pass the answer on as it comes.

    A search that is wrong by itself was not refused for its window.
    """
    headers = _json_headers(request, without=frozenset({"content-encoding", "content-length"}))
    async with await upstream.send("POST", url, headers, body) as answer:
        wrong = mark == bypassed("window_refused") and answer.status >= 400
        return await relay(request, answer, mark=bypassed("engine_error") if wrong else mark)


async def post(request: web.BaseRequest, upstream: Upstream, url: str, body: bytes) -> ClientResponse:
    """Send a widened search with the client's own headers; its answer comes uncompressed."""
    return await upstream.send("POST", url, _json_headers(request, without=REWRITTEN), body)


def _json_headers(request: web.BaseRequest, *, without: frozenset[str]) -> CIMultiDict[str]:
    """The client's headers with a body of JSON, which may stand where it sent none, of whatever type."""
    headers = request_headers(request, without=without)
    if "json" not in headers.get("Content-Type", "").lower():
        headers["Content-Type"] = "application/json"
    return headers


def json_answer(request: web.BaseRequest, answer: ClientResponse, body: bytes, mark: str) -> web.Response:
    """Return a page under the engine's own headers."""
    headers = response_headers(answer, without=frozenset({"content-length", "content-encoding"}))
    headers[MARK_HEADER] = mark
    if accepts_gzip(request):
        headers["Content-Encoding"] = "gzip"
    return web.Response(status=answer.status, headers=headers, body=body)
