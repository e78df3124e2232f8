"""Servers that are dead, or no search engine at all: one line, and none of their clients' tracebacks."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from relsearch.core.errors import RelsearchError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Query
from relsearch.index.engine.fetching import fetch
from relsearch.index.engine.http import Server
from relsearch.index.engine.ingest import ingest
from relsearch.index.engine.sampling import sample
from relsearch.index.registry import connected, open_server
from relsearch.live.searching import search
from tests.command import relsearch
from tests.http_server import running
from tests.live.test_searching import reranker

DEAD = "http://127.0.0.1:9"
ENGINES = ["elasticsearch", "opensearch"]
ANSWERS = {
    "a web page": (200, "text/html", b"<html>"),
    "a proxy's error": (502, "text/html", b"<html>Bad gateway"),
    "no permission": (401, "application/json", b'{"error": {"reason": null, "caused_by": {"reason": 1}}}'),
    "nothing": (200, "application/json", b""),
    "half an object": (200, "application/json", b"{"),
    "an empty object": (200, "application/json", b"{}"),
    "a list": (200, "application/json", b"[1]"),
    "a long list": (200, "application/json", b"[" * 5000 + b"]" * 5000),
    "no UTF-8": (200, "application/json", b'"\xff\xfe"'),
}


@pytest.fixture
def no_collection() -> Iterator[None]:
    """No dropped client is collected while an answer is read whose nesting leaves its finalizer no stack."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(params=ANSWERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers everything alike."""
    status, kind, body = ANSWERS[request.param]

    class Always(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Always)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


def _fetch(server: Server) -> object:
    names = {"text": "text"}
    return fetch(server, "d", [Query("q", "tea")], {"d1"}, depth=3, names=names, body=lambda text: {"query": text})


def _search(server: Server) -> object:
    with connected(server.name, server.url) as client:
        return search(client, "d", "tea", bundle=reranker())


CALLS: dict[str, Callable[[Server], object]] = {
    "fetch": _fetch,
    "sample": lambda server: list(sample(server, "d", size=3, seed=1)),
    "ingest": lambda server: ingest([], server, index=IndexConfig(url=server.url), template=DEFAULT_TEMPLATE),
    "search": _search,
    "look": lambda server: open_server(None, server.url).ask("GET", "/")["version"],
}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_search_engine_is_one_line(url: str, engine: str, call: str) -> None:
    """Whatever it answers."""
    with pytest.raises(RelsearchError) as caught:
        CALLS[call](open_server(engine, url))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("url", ["", "x", "http://", "http://[::1", "http://h:99999", "http://h:x", "http://a b:1"])
def test_what_is_no_url_is_refused(engine: str, url: str) -> None:
    """Before anything is asked."""
    with pytest.raises(RelsearchError, match="write http://HOST:PORT"):
        open_server(engine, url)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("verb", ["fetch", "sample", "ingest", "search"])
def test_a_dead_server_is_one_line_of_output(tmp_path: Path, verb: str, engine: str) -> None:
    """Not a traceback a try, as the clients log."""
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "tea"}\n', encoding="utf-8")
    options = {"fetch": ["."], "sample": ["-o", "out"], "ingest": ["demo"], "search": ["tea", "--bundle", "ready"]}
    command = [verb, *options[verb], "--url", DEAD, "--index", "d", "--engine", engine]
    assert _one_line(tmp_path, *command) == (
        f"relsearch: {engine} at {DEAD}: Connection refused; check that it runs there, or give another address"
    )


@pytest.mark.parametrize("verb", ["rerank", "precompute"])
def test_dead_vectors_are_one_line_of_output(tmp_path: Path, verb: str) -> None:
    """The same where a bundle's vectors are looked for."""
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"_id": "d", "text": "tea"}) + "\n", encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "tea"}\n', encoding="utf-8")
    (tmp_path / "run.trec").write_text("q Q0 d 1 1.0 t\n", encoding="utf-8")
    options = {"rerank": ["run.trec", "--collection", "."], "precompute": ["."]}
    assert "Connection refused" in _one_line(
        tmp_path, verb, *options[verb], "--bundle", "ready", "--vectors", f"{DEAD}/v"
    )


def _one_line(folder: Path, *arguments: str) -> str:
    result = relsearch(*arguments, cwd=folder)
    assert result.returncode == 1
    (line,) = (result.stdout + result.stderr).splitlines()
    return line
