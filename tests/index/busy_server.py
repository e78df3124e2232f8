"""A search server in a thread that knows bulk loads alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_server import running


class BusyServer(ThreadingHTTPServer):
    """Refuses each document twice before it takes it, as an engine with a full queue does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: dict[str, int] = {}
        self.taken: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def bulk(self, body: str) -> dict[str, Any]:
        """Answer a bulk request."""
        items = [{"create": self._take(json.loads(line)["create"]["_id"])} for line in body.splitlines()[::2]]
        return {"errors": any(each["create"]["status"] != 201 for each in items), "items": items}

    def _take(self, key: str) -> dict[str, Any]:
        self.sent[key] = self.sent.get(key, 0) + 1
        if self.sent[key] <= 2:
            return {"_id": key, "status": 429, "error": {"type": "es_rejected_execution_exception"}}
        self.taken.append(key)
        return {"_id": key, "status": 201}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BusyServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        content = json.dumps(self.server.bulk(body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Elastic-Product", "Elasticsearch")  # the official client insists
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST  # noqa: N815 - the base class looks these names up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def busy_server() -> Iterator[BusyServer]:
    """Run until the block ends."""
    with running(BusyServer()) as server:
        yield server
