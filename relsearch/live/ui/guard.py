"""What stands between a browser and the app: who may ask, from where, how much, and what a page may do.

Other web sites can make a browser send requests to this machine. They are recognised by the Host header, which is
another where a name was rebound to this address, and by the Origin header of every POST. Where there is a key, browsers
show a cookie that came with it.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relsearch.core.errors import ConfigError
from relsearch.live.address import is_loopback

KEY_VARIABLE = "RELSEARCH_UI_KEY"
COOKIE = "relsearch_ui"
LOGIN, STATIC = "/login", "/static/"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}  # which a proxy may add to Host, and browsers leave out of Origin
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers hide the origin of forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def ui_key(host: str) -> str | None:
    """Return the key from the environment; raise ConfigError where others reach the host and there is none."""
    key = os.environ.get(KEY_VARIABLE) or None
    if not (key or is_loopback(host)):
        raise ConfigError(f"--host {host}: others reach it; set {KEY_VARIABLE} to a key that the page asks for")
    return key


def cookie_of(key: str) -> str:
    """Return what the cookie holds of a key, which is not the key."""
    return hmac.new(key.encode(), b"relsearch ui", sha256).hexdigest()


class Guard:
    """ASGI middleware: refuses what does not come from the app's own pages, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, *, key: str | None) -> None:
        self._app = app
        self._cookie = None if key is None else cookie_of(key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it before its body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()  # as browsers write it in Origin
        if self._cookie is None and not is_loopback(_name(host)):
            return PlainTextResponse(f"This app answers at 127.0.0.1, not at {host[:200]!r}.", status_code=421)
        # With a key, a proxy on another host may end TLS: what is https to the browser is http here.
        schemes = [scope["scheme"]] if self._cookie is None else ["http", "https"]
        own = {f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}" for scheme in schemes}
        if scope["method"] not in ("GET", "HEAD") and headers.get("origin") not in own:
            return PlainTextResponse("Only this app's own pages may send forms to it.", status_code=403)
        open_path = scope["path"] == LOGIN or scope["path"].startswith(STATIC)
        if self._cookie and not open_path and not hmac.compare_digest(_shown(headers), self._cookie):
            return RedirectResponse(LOGIN, status_code=303)
        return None


def _name(host: str) -> str:
    """The host without its port and brackets."""
    return host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]


def _shown(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie and cookie.value.isascii() else ""
