"""A search server in a thread that asks for credentials, over TLS or not."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.http_server import running
from tests.index.secured import PASSWORD, USER, Certificates

KEY = "bGlicmFyaWFuOnN0YWNrcw=="
_ACCEPTED = {f"ApiKey {KEY}", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}


class _Guarded(ThreadingHTTPServer):
    daemon_threads = True
    kind = ""
    forbidden = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that TLS turned away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Guarded

    def do_GET(self) -> None:
        """Say what the server is; refuse others than the user, showing what they sent, as a careless proxy would."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        given = self.headers.get("Authorization")
        status = 401 if given not in _ACCEPTED else 403 if self.server.forbidden else 200
        about = {"number": "9.4.3" if self.server.kind == "elasticsearch" else "2.19.1"}
        if self.server.kind == "opensearch":
            about["distribution"] = "opensearch"
        body = {"version": about} if status == 200 else {"error": {"type": "security", "reason": f"no: {given}"}}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if self.server.kind == "elasticsearch":
            self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def guarded(
    kind: str, made: Certificates | None = None, *, asks_for: Path | None = None, forbidden: bool = False
) -> Iterator[str]:
    """Yield its URL; with certificates it speaks TLS, and `asks_for` is the authority of those of its clients."""
    server = _Guarded(("127.0.0.1", 0), _Handler)
    server.kind, server.forbidden = kind, forbidden
    if made:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.server, made.server_key)
        if asks_for:
            context.load_verify_locations(asks_for)
            context.verify_mode = ssl.CERT_REQUIRED
        # In the request's own thread: a handshake that does not come to an end must not stop the server.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with running(server):
        yield f"http{'s' if made else ''}://localhost:{server.server_port}"
