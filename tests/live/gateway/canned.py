"""An engine that answers with bytes written beforehand, whole or broken, and remembers what it was asked."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

HITS = 12


@dataclass(slots=True)
class Canned:
    """The answers by path, and the requests that came."""

    url: str
    answers: dict[str, bytes]
    then: dict[str, bytes] = field(default_factory=dict)  # what takes an answer's place once it was given
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    drops: int = 0  # requests whose connection is closed without an answer


def http_answer(body: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> bytes:
    """Return an HTTP answer whose length header may be wrong."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{headers}\r\n"
    return head.encode() + body


def hits() -> bytes:
    """Return the answer to a search: documents 0..11 in this order."""
    found = [
        {"_index": "sea", "_id": str(n), "_score": 50.0 - n, "_source": {"title": "Sea", "text": f"tides {n}"}}
        for n in range(HITS)
    ]
    total = {"value": HITS, "relation": "eq"}
    return json.dumps({"took": 1, "hits": {"total": total, "max_score": 50.0, "hits": found}}).encode()


@contextmanager
def canned(answers: Mapping[str, bytes]) -> Iterator[Canned]:
    """Yield a running engine; a path without an answer waits for `go` and then closes the connection."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := _head(self):
                length = next(
                    (int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length")), 0
                )
                engine.requests.append((b"".join(head).decode("latin-1"), self.rfile.read(length)))
                path = head[0].split()[1].decode()
                if engine.drops:
                    engine.drops -= 1
                    return
                if path not in engine.answers:
                    engine.go.wait(20)
                    return
                self.wfile.write(engine.answers[path])
                if path in engine.then:
                    engine.answers[path] = engine.then.pop(path)
                if path.endswith("cut"):
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        engine = Canned(f"http://127.0.0.1:{server.server_address[1]}", dict(answers))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield engine
        finally:
            engine.go.set()
            server.shutdown()


def _head(handler: socketserver.StreamRequestHandler) -> list[bytes]:
    lines = []
    while (line := handler.rfile.readline()) not in (b"\r\n", b""):
        lines.append(line)
    return lines
