"""Clients that sniff ask for the nodes' addresses; they are given the gateway's, or would go past it from then on."""

from __future__ import annotations

import re

from aiohttp import ClientPayloadError, web

from relsearch.live.gateway.proxy import Upstream, relay, request_headers, response_headers
from relsearch.live.gateway.request.reading import is_json, json_answered, json_bytes

_PATH = re.compile(r"/_nodes(?:/_all)?/http/?(?:\?.*)?")
_HTTP_PORT = 80


def asks_for_nodes(method: str, raw_path: str) -> bool:
    """Whether a request asks where all nodes are."""
    return method == "GET" and _PATH.fullmatch(raw_path) is not None


async def answer_nodes(request: web.BaseRequest, upstream: Upstream) -> web.StreamResponse:
    """Return the engine's answer with the address that the client knows the gateway by, for each node."""
    headers = request_headers(request, without=frozenset({"accept-encoding"}))
    async with await upstream.send("GET", request.raw_path, headers, None) as answer:
        if answer.status != 200 or not is_json(answer.content_type):
            return await relay(request, answer)
        body = await json_answered(answer)
        kept = response_headers(answer, without=frozenset({"content-length", "content-encoding"}))
    host = request.host if re.search(r":\d+$", request.host) else f"{request.host}:{_HTTP_PORT}"
    try:
        for node in body["nodes"].values():
            if "http" in node:
                node["http"].update(publish_address=host, bound_address=[host])
    except (KeyError, TypeError, AttributeError) as exc:
        raise ClientPayloadError("the engine's answer names no nodes") from exc
    return web.Response(status=200, headers=kept, body=json_bytes(body))
