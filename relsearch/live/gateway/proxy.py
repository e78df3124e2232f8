"""The way to the engine and back, byte for byte.

Headers that concern one connection only are left out, no redirect is followed, nothing is decompressed, no cookie kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Mapping
from urllib.parse import unquote

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    web,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from relsearch.core.errors import ConfigError
from relsearch.index.engine.access import checked_hosts, tls_context
from relsearch.live.tracing import child_span

Body = bytes | AsyncIterable[bytes] | None
KEY_HEADER = "X-Relsearch-Key"
MARK_HEADER = "X-Relsearch"
QUERY_HEADER = "X-Relsearch-Query"  # the words of a search, percent-encoded where they are not ASCII
_CONNECTION_ONLY = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_REQUEST_ONLY = _CONNECTION_ONLY | {"host", "expect", KEY_HEADER.lower(), QUERY_HEADER.lower()}
_SENT_AS_GIVEN = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
# Up to here a body is read whole: one write to the socket, and a truncated one becomes an error instead.
_WHOLE_BYTES = 1 << 18
_CONNECT_S = 5.0
_KEEP_IDLE_S = 30.0
_SENT: web.ResponseKey[frozenset[str]] = web.ResponseKey("relsearch_headers", frozenset)


class Upstream:
    """The engine behind the gateway, at one host or several: one pool of connections, kept alive."""

    def __init__(self, url: str, *, timeout_s: float | None = None) -> None:
        if "@" in url:  # not shown: it may hold a password
            raise ConfigError("--upstream: a URL with credentials; leave them out, they come with each request")
        self._hosts = deque(checked_hosts("--upstream", url))
        if any("?" in host or "#" in host for host in self._hosts):
            raise ConfigError(f"--upstream {url}: write http(s)://HOST:PORT, without ? and #")
        self.url = url
        self._tls = tls_context()
        self._timeout = ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout_s)
        self._session: ClientSession | None = None

    async def open(self) -> None:
        """Open the pool, inside the event loop that uses it."""
        self._session = ClientSession(
            connector=TCPConnector(limit=0, keepalive_timeout=_KEEP_IDLE_S, ssl=self._tls or True),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            timeout=self._timeout,
            skip_auto_headers=_SENT_AS_GIVEN,
            max_line_size=1 << 16,
            max_field_size=1 << 16,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()

    async def send(self, method: str, path: str, headers: CIMultiDict[str], body: Body) -> ClientResponse:
        """Send a request to a path, which begins with `/`, of the engine; the caller releases the response.

        Where no connection can be made, nothing was sent, and the next host is asked: now, and first from now on.
        """
        with child_span("relsearch engine", headers):
            for _ in range(len(self._hosts) - 1):
                host = self._hosts[0]
                try:
                    return await self._send(method, host + path, headers, body)
                except (ClientConnectorError, ConnectionTimeoutError):
                    if self._hosts[0] == host:  # else another request found it dead
                        self._hosts.rotate(-1)
            return await self._send(method, self._hosts[0] + path, headers, body)

    async def _send(self, method: str, address: str, headers: Mapping[str, str], body: Body) -> ClientResponse:
        if self._session is None:
            raise RuntimeError("open() comes before send()")
        url = URL(address, encoded=True)
        try:
            return await self._session.request(method, url, headers=headers, data=body, allow_redirects=False)
        except (ServerDisconnectedError, ClientOSError) as exc:
            # Bytes are a search, which may be asked again: the engine may have closed an idle connection.
            if not isinstance(body, bytes) or isinstance(exc, ClientConnectorError):
                raise
        return await self._session.request(method, url, headers=headers, data=body, allow_redirects=False)


def request_headers(request: web.BaseRequest, *, without: frozenset[str] = frozenset()) -> CIMultiDict[str]:
    """Return the client's headers as they go on to the engine, credentials among them."""
    return _end_to_end(request.headers, _REQUEST_ONLY | without)


def header_words(request: web.BaseRequest) -> str:
    """Return the query's words that a header gives, which the engine never sees; nothing where there is none."""
    return unquote(request.headers.get(QUERY_HEADER, "")).strip()


def response_headers(answer: ClientResponse, *, without: frozenset[str] = frozenset()) -> CIMultiDict[str]:
    """Return the engine's headers as they go back to the client."""
    return _end_to_end(answer.headers, _CONNECTION_ONLY | without)


def _end_to_end(headers: CIMultiDictProxy[str], dropped: frozenset[str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    left_out = dropped | named
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in left_out)


async def forward(
    request: web.BaseRequest, upstream: Upstream, *, body: Body = None, mark: str = ""
) -> web.StreamResponse:
    """Pass a request on and its answer back; `body` is what was read of the request already."""
    answer = await upstream.send(request.method, request.raw_path, request_headers(request), body or _body(request))
    async with answer:
        return await relay(request, answer, mark=mark)


def _body(request: web.BaseRequest) -> Body:
    return request.content.iter_any() if request.can_read_body else None


async def relay(request: web.BaseRequest, answer: ClientResponse, *, mark: str = "") -> web.StreamResponse:
    """Pass an answer of the engine to the client, marked if it was to be reranked."""
    headers = response_headers(answer)
    sent = frozenset(name.lower() for name in headers)
    if mark:
        headers[MARK_HEADER] = mark
    length = answer.content_length
    response: web.StreamResponse
    if request.method == "HEAD" or (length is not None and length <= _WHOLE_BYTES):
        body = await answer.read()
        response = web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body or None)
        response[_SENT] = sent
        return response
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    response[_SENT] = sent
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except ClientError:
        # The status line is gone already; only a cut connection tells the client that the body is not whole.
        if request.transport:
            request.transport.abort()
    return response


async def drop_own_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Take away what the server adds to an answer of the engine by itself, but for the date."""
    sent = response.get(_SENT)
    if sent is not None:
        for name in {"server", "content-type"} - sent:
            response.headers.popall(name, None)
