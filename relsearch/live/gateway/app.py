"""The gateway as an application: which requests are looked into, and what is said when the engine is away."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import (
    ClientConnectionResetError,
    ClientConnectorError,
    ClientError,
    ClientSSLError,
    ConnectionTimeoutError,
    ServerTimeoutError,
    web,
)

from relsearch.index.engine.access import tls_advice
from relsearch.live.gateway.answer.ranking import Ranking, bypassed
from relsearch.live.gateway.metrics import METRICS_PATH, Metrics, attributes
from relsearch.live.gateway.msearch import answer_msearch
from relsearch.live.gateway.proxy import KEY_HEADER, MARK_HEADER, Upstream, drop_own_headers, forward
from relsearch.live.gateway.refusals import BadAskError
from relsearch.live.gateway.request.reading import SearchPath, is_json, json_bytes, plain_text, read_start, search_path
from relsearch.live.gateway.search import answer_search
from relsearch.live.gateway.sniffing import answer_nodes, asks_for_nodes
from relsearch.live.tracing import search_span

_log = logging.getLogger(__name__)
# No limit of the gateway's own; the engine has one.
_NO_LIMIT = 1 << 62
_LINE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Gateway:
    """Answers every request: searches that concern the reranker by way of it, all others untouched."""

    upstream: Upstream
    ranking: Ranking
    key: str | None = None
    metrics: Metrics | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        given = request.headers.get(KEY_HEADER, "").encode("utf-8", "surrogateescape")
        if self.key and not hmac.compare_digest(given, self.key.encode()):
            return error(401, f"give the gateway's key in the header {KEY_HEADER}")
        # Anything else could name another host once it is joined to the upstream's address.
        if not request.raw_path.startswith("/"):
            return error(400, "the request's target is no path; ask the gateway as if it were the engine")
        if self.metrics and request.raw_path == METRICS_PATH:
            return web.Response(body=self.metrics.exposition(), content_type="text/plain", charset="utf-8")
        try:
            if asks_for_nodes(request.method, request.raw_path):
                return await answer_nodes(request, self.upstream)
            path = search_path(request.method, request.raw_path)
            return await (self._counted(request, path) if path else forward(request, self.upstream))
        except BadAskError as exc:
            return error(400, str(exc))
        except RecursionError:
            return error(400, "the body is nested too deeply")
        except ServerTimeoutError as exc:
            return self._away(504, exc)
        except (ClientConnectionResetError, ConnectionResetError):
            raise  # the client went away
        except ClientError as exc:
            return self._away(502, exc)
        except Exception as exc:
            if request.writer.output_size:
                raise  # a part of the answer is gone; only a cut connection tells the client
            # The type alone: a message may quote the body.
            _log.error("a request failed: %s", type(exc).__name__)
            return error(500, "internal error; see the gateway's log")

    async def _counted(self, request: web.BaseRequest, path: SearchPath) -> web.StreamResponse:
        began = time.monotonic()
        with search_span("relsearch search", request.headers) as describe:
            response = await self._search(request, path)
            mark = response.headers.get(MARK_HEADER, "")
            describe({"relsearch.mark": mark, "http.response.status_code": response.status, **attributes(mark)})
        if mark and self.metrics:
            self.metrics.count(mark, time.monotonic() - began)
        return response

    async def _search(self, request: web.BaseRequest, path: SearchPath) -> web.StreamResponse:
        unread = bypassed("unread_body") if self.ranking.concerns(path.names, b"") else ""
        # The engines, too, ask for the type of a body only where there is one.
        if request.can_read_body and not is_json(request.headers.get("Content-Type", "")):
            return await forward(request, self.upstream, mark=unread)
        raw, whole = await read_start(request)
        if not whole:
            return await forward(request, self.upstream, body=_joined(raw, request), mark=unread)
        try:
            text = plain_text(request, raw)
        except ValueError:
            return await forward(request, self.upstream, body=raw, mark=unread)
        asks_in_url = any(name == "source" and "relsearch" in value for name, value in path.parameters)
        # A multi-search names its indices in its lines.
        may_name_one = path.verb == "_msearch" and self.ranking.has_rules
        if not (may_name_one or asks_in_url or self.ranking.concerns(path.names, text)):
            return await forward(request, self.upstream, body=raw)
        handler = answer_msearch if path.verb == "_msearch" else answer_search
        return await handler(request, path, raw, text, upstream=self.upstream, ranking=self.ranking)

    def _away(self, status: int, exc: ClientError) -> web.Response:
        _log.warning("upstream %s: %s", self.upstream.url, _why(exc))
        if isinstance(exc, ClientSSLError):
            return error(status, f"upstream {self.upstream.url}: TLS failed: {exc}; {tls_advice(str(exc))}")
        return error(status, f"upstream {self.upstream.url} gave no whole answer ({_why(exc)}); is the engine running?")


def _why(exc: ClientError) -> str:
    """What became of a request, in words; the client's own message may quote the request."""
    if isinstance(exc, ClientSSLError):
        return "TLS failed"
    if isinstance(exc, ConnectionTimeoutError | ClientConnectorError):
        return "no connection can be made"
    return "it was silent for too long" if isinstance(exc, ServerTimeoutError) else "the connection was cut"


async def _joined(start: bytes, request: web.BaseRequest) -> AsyncIterator[bytes]:
    yield start
    async for chunk in request.content.iter_any():
        yield chunk


def error(status: int, reason: str) -> web.Response:
    """Return an error of the gateway's own in the engines' shape."""
    cause = {"type": "relsearch_gateway_exception", "reason": reason}
    body = {"error": {"root_cause": [cause], **cause}, "status": status}
    return web.Response(status=status, body=json_bytes(body), content_type="application/json")


def application(gateway: Gateway) -> web.Application:
    """Return the application that sends every path and method to the gateway."""
    app = web.Application(client_max_size=_NO_LIMIT)
    app.router.add_route("*", r"/{path:[\s\S]*}", gateway.answer)
    app.on_response_prepare.append(drop_own_headers)
    app.cleanup_ctx.append(lambda _: _running(gateway))
    return app


async def _running(gateway: Gateway) -> AsyncIterator[None]:
    await gateway.upstream.open()
    yield
    await gateway.upstream.close()
    gateway.ranking.close()


def runner(gateway: Gateway, *, shutdown_timeout_s: float = 30.0) -> web.AppRunner:
    """Return the server: bodies stay as they are, and a client that leaves ends its request to the engine."""
    return web.AppRunner(
        application(gateway),
        access_log=None,
        handler_cancellation=True,
        auto_decompress=False,
        max_line_size=_LINE_BYTES,
        max_field_size=_LINE_BYTES,
        shutdown_timeout=shutdown_timeout_s,
    )
