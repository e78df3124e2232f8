"""A search server in a thread that knows bulk loads, searches, and an index that is not there yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_server import running


class BusyServer(ThreadingHTTPServer):
    """Refuses a request, then each document twice before it takes it, as an engine with a full queue does.

    It refuses more searches than a client sends again by itself, then one of those that come together.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: dict[str, int] = {}
        self.taken: list[str] = []
        self.refused = self.searches = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the answer to a request."""
        if path.endswith("_mapping"):
            return 404, {}
        if path.endswith("_bulk"):
            self.refused += 1
            return (200, self._bulk(body)) if self.refused > 1 else (429, {"error": "es_rejected_execution_exception"})
        if path.endswith("search"):
            self.searches += 1
            if self.searches <= 6:
                return 429, {"error": "es_rejected_execution_exception"}
            found = {"status": 200, "hits": {"hits": [{"_id": "d1", "_score": 1.0}]}}
            refused = {"status": 429, "error": "es_rejected_execution_exception"}
            return 200, {"responses": [found, refused if self.searches == 7 else found], **found}
        return 200, {"docs": []}

    def _bulk(self, body: str) -> dict[str, Any]:
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
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        status, answer = self.server.answer(self.path.partition("?")[0], body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Elastic-Product", "Elasticsearch")  # the official client insists
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_GET = do_POST  # noqa: N815 - the base class looks these names up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def busy_server() -> Iterator[BusyServer]:
    """Run until the block ends."""
    with running(BusyServer()) as server:
        yield server
