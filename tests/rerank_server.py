"""A reranking service in a thread that speaks two dialects strictly: TEI at /rerank, Cohere at /v1 and /v2/rerank."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_server import running

Score = Callable[[str, Sequence[str]], list[float]]


class RerankServer(ThreadingHTTPServer):
    """Answers by `score`; keeps what it was asked in `requests`; `status` other than 200 makes it fail."""

    daemon_threads = True

    def __init__(self, score: Score, *, key: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.score = score
        self.key = key
        self.status = 200
        self.delay_s = 0.0
        self.requests: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, authorization: str | None, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and JSON for a request."""
        self.requests.append((path, body))
        time.sleep(self.delay_s)
        if self.status != 200:
            return self.status, {"error": "asked to fail", "error_type": "Backend"}
        if self.key is not None and authorization != f"Bearer {self.key}":
            return 401, {"error": "wrong key", "error_type": "Validation"}
        if path == "/rerank" and "texts" in body:
            return 200, _tei(body["texts"], self.score(body["query"], body["texts"]))
        if path in ("/v1/rerank", "/v2/rerank") and "documents" in body:
            return 200, _cohere(path, body, self.score(body["query"], body["documents"]))
        return 404, {"error": f"no dialect at {path}", "error_type": "Validation"}


def _tei(texts: Sequence[str], scores: Sequence[float]) -> list[dict[str, Any]]:
    return [{"index": place, "score": score} for place, score in _best_first(scores)]


def _cohere(path: str, body: dict[str, Any], scores: Sequence[float]) -> dict[str, Any]:
    ranked = _best_first(scores)[: body.get("top_n", len(scores))]
    results = [{"index": place, "relevance_score": score} for place, score in ranked]
    if path == "/v2/rerank":
        return {"id": "r", "results": results, "meta": {"api_version": {"version": "2"}}}
    return {"model": body.get("model", "m"), "usage": {"total_tokens": 1}, "results": results}


def _best_first(scores: Sequence[float]) -> list[tuple[int, float]]:
    return sorted(enumerate(scores), key=lambda pair: (-pair[1], pair[0]))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RerankServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.answer(self.path, self.headers["Authorization"], body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")  # else a kept connection outlives the server
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def serving_scores(score: Score, *, key: str | None = None) -> Iterator[RerankServer]:
    """Serve until the block ends or `server_close` is called in it."""
    with running(RerankServer(score, key=key)) as server:
        yield server
