"""`_search` and `_search/template`: read, decide, widen, rerank, answer."""

from __future__ import annotations

from aiohttp import ClientResponse, web

from relsearch.live.gateway.answer.ranking import Decision, Ranking, bypassed
from relsearch.live.gateway.proxy import MARK_HEADER, Upstream, forward, relay, request_headers, response_headers
from relsearch.live.gateway.request.ask import take_ask
from relsearch.live.gateway.request.reading import SearchPath, is_json, json_answered, json_bytes, json_object
from relsearch.live.gateway.request.rewrite import Parameters, Plan, Search
from relsearch.live.gateway.request.templates import rendered

# What no longer fits a body that was written anew; the engine's answer is to come uncompressed.
REWRITTEN = frozenset({"content-encoding", "content-length", "accept-encoding"})


async def answer_search(
    request: web.BaseRequest, path: SearchPath, raw: bytes, text: bytes, *, upstream: Upstream, ranking: Ranking
) -> web.StreamResponse:
    """Answer one search; raise BadAskError for a request that cannot be honoured. `text` is `raw` uncompressed."""
    try:
        body = json_object(_given(path, text))
    except ValueError:
        # The engine knows best what to say of a body that is no JSON.
        return await forward(request, upstream, body=raw)
    search, ask = Search(path.names, body, path.parameters), None
    if path.template:
        ask, body = take_ask(body)
        output = await rendered(upstream, request_headers(request, without=REWRITTEN), [body])
        if output is None:
            mark = "" if ask is False else bypassed("template")
            return await send_body(request, upstream, request.raw_path, json_bytes(body), mark=mark)
        search = Search(path.names, output[0], path.parameters)
    decision = ranking.decide(search, ask=ask)
    if decision.plan is not None:
        return await _answer_ranked(request, path, decision, decision.plan, upstream=upstream, ranking=ranking)
    if decision.changed or ask is not None:
        return await _send_plain(request, path, decision, upstream, mark=decision.mark)
    return await forward(request, upstream, body=raw, mark=decision.mark)


def _given(path: SearchPath, text: bytes) -> bytes:
    return text or dict(path.parameters).get("source", "").encode()


async def _answer_ranked(
    request: web.BaseRequest,
    path: SearchPath,
    decision: Decision,
    plan: Plan,
    *,
    upstream: Upstream,
    ranking: Ranking,
) -> web.StreamResponse:
    async with await post(request, upstream, path.url(plan.parameters), json_bytes(plan.body)) as answer:
        if answer.status == 200 and is_json(answer.content_type):
            page, mark = await ranking.rank(await json_answered(answer), plan)
            return json_answer(request, answer, page, mark)
        if answer.status != 400:
            return await relay(request, answer, mark=bypassed("engine_error"))
    # Perhaps the window is more than the index allows; the search as it came says so, or succeeds.
    return await _send_plain(request, path, decision, upstream, mark=bypassed("window_refused"))


async def _send_plain(
    request: web.BaseRequest, path: SearchPath, decision: Decision, upstream: Upstream, *, mark: str
) -> web.StreamResponse:
    kept: Parameters = tuple(pair for pair in path.parameters if pair[0] not in ("source", "source_content_type"))
    return await send_body(request, upstream, path.url(kept), json_bytes(decision.search.body), mark=mark)


async def send_body(
    request: web.BaseRequest, upstream: Upstream, url: str, body: bytes, *, mark: str
) -> web.StreamResponse:
    """Send a body written anew and pass the answer on."""
    async with await post(request, upstream, url, body) as answer:
        return await relay(request, answer, mark=mark)


async def post(request: web.BaseRequest, upstream: Upstream, url: str, body: bytes) -> ClientResponse:
    """Send a body written anew with the client's own headers."""
    headers = request_headers(request, without=REWRITTEN)
    headers.setdefault("Content-Type", "application/json")
    return await upstream.send("POST", url, headers, body)


def json_answer(request: web.BaseRequest, answer: ClientResponse, value: object, mark: str) -> web.Response:
    """Return a body written anew under the engine's own headers."""
    headers = response_headers(answer, without=frozenset({"content-length", "content-encoding"}))
    headers[MARK_HEADER] = mark
    pretty = request.query.get("pretty", "false") != "false"
    return web.Response(status=answer.status, headers=headers, body=json_bytes(value, pretty=pretty))
