"""Clients that sniff ask for the nodes' addresses; they are given the gateway's, or would go past it from then on."""

from __future__ import annotations

import re

from aiohttp import web

from relsearch.live.gateway.proxy import Upstream, relay, request_headers, response_headers
from relsearch.live.gateway.request.reading import is_json, json_bytes, json_object

# Of the client for .NET with more after `http`, of the one for PHP without it.
_PATH = re.compile(r"/_nodes(?:/_all)?(?:/http(?:,\w+)*/?(?:\?.*)?|/?)")
_HTTP_PORT, _HTTPS_PORT = 80, 443


def asks_for_nodes(method: str, raw_path: str) -> bool:
    """Whether a request asks where all nodes are."""
    return method == "GET" and _PATH.fullmatch(raw_path) is not None


async def answer_nodes(request: web.BaseRequest, upstream: Upstream) -> web.StreamResponse:
    """Return the engine's answer with the address that the client knows the gateway by, for each node."""
    headers = request_headers(request, without=frozenset({"accept-encoding"}))
    async with await upstream.send("GET", request.raw_path, headers, None) as answer:
        if answer.status != 200 or not is_json(answer.content_type):
            return await relay(request, answer)
        raw = await answer.read()
        kept = response_headers(answer, without=frozenset({"content-length"}))
    return web.Response(status=200, headers=kept, body=_readdressed(raw, _address(request)))


def _readdressed(raw: bytes, host: str) -> bytes:
    """The nodes with another address; as it came what names none, because the client asked for something else."""
    try:
        body = json_object(raw)
        for node in body["nodes"].values():
            if "http" in node:
                node["http"].update(publish_address=host, bound_address=[host])
    except (ValueError, KeyError, TypeError, AttributeError):
        return raw
    return json_bytes(body)


def _address(request: web.BaseRequest) -> str:
    """Host and port that the client knows the gateway by, also behind a proxy that ends TLS."""
    if re.search(r":\d+$", request.host):
        return request.host
    scheme = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return f"{request.host}:{_HTTPS_PORT if scheme == 'https' else _HTTP_PORT}"
