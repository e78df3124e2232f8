"""A chat endpoint in a thread, for what stands at the HTTP border of a remote judge."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from tests.http_server import running

PROBE_DOCUMENT = "Mount Everest"


@dataclass(frozen=True)
class Request:
    """What arrived: its place in the order of arrival, when, its headers and body."""

    number: int
    at_s: float
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The user's message."""
        return str(self.body["messages"][0]["content"])


@dataclass(frozen=True)
class Answer:
    """What goes back: a JSON value, a status and headers."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[Request], Answer]


class ChatServer(ThreadingHTTPServer):
    """Keeps what it was asked in `requests` and answers by `respond`."""

    daemon_threads = True

    def __init__(self, respond: Respond) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self._respond = respond
        self._lock = Lock()

    @property
    def url(self) -> str:
        """The base that a config names."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def answer(self, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Answer:
        """Note a request and answer it."""
        with self._lock:
            request = Request(len(self.requests), time.monotonic(), path, headers, body)
            self.requests.append(request)
        return self._respond(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.answer(self.path, dict(self.headers), body)
        content = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def serving(respond: Respond) -> Iterator[ChatServer]:
    """Serve until the block ends."""
    with running(ChatServer(respond)) as server:
        yield server


def said(content: str | None, *, top: Mapping[str, float] | None = None, tokens: tuple[int, int] = (100, 1)) -> Answer:
    """A chat completion with this content and, where given, the probabilities of the first token."""
    listed = [{"token": token, "logprob": math.log(share)} for token, share in (top or {}).items()]
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": content}}
    if top is not None:
        choice["logprobs"] = {"content": [{"token": content, "logprob": 0.0, "top_logprobs": listed}]}
    return Answer({"choices": [choice], "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}})


def word_overlap(request: Request) -> Answer:
    """The likeliest grade is how many words of the query the passage holds, at most 3."""
    query, _, rest = request.text.partition("Query: ")[2].partition("\nPassage: ")
    passage = rest.rpartition("\n\nQuery: ")[0]
    grade = min(3, len(set(query.split()) & set(passage.split())))
    shares = {str(level): 0.7 if level == grade else 0.1 for level in range(4)}
    return said(str(grade), top=shares)
