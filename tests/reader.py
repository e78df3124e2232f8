"""A reader who pastes what the documentation says: a folder with their files, and a shell in which lines are run."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.data.collection import load_collection
from relsearch.index.registry import build_searcher
from tests.command import Done, relsearch
from tests.conftest import REPOSITORY

ENGINE, SERVICE, GATEWAY, UI = "127.0.0.1:9200", "127.0.0.1:8000", "127.0.0.1:9280", "127.0.0.1:8400"
_LABELLED, _UNLABELLED, _DEPTH, _OTHERS = 8, 2, 4, 100
_SERVERS = {"serve": SERVICE, "gateway": GATEWAY, "ui": UI}
_WAIT_S = 300
_FILES = {"bm25.trec", "my-collection/first_stage.trec", "reranked.trec", "qrels.tsv", "human.qrels", "searches.csv"}
# Pages that say which of them a reader has; `fetch` and `rerank`, which other tests run, give the engineer two.
_FILES_OF_PAGE = {
    "search-engineer.md": {"searches.csv", "my-collection/first_stage.trec", "reranked.trec"},
    "researcher.md": {"bm25.trec", "qrels.tsv"},
    "start.md": set(),
    "ui.md": {"bm25.trec"},
}


def write_files(folder: Path, page: str | None = None) -> None:
    """Write what a page's reader has, or all that any line names: a part of the demo as a collection, runs and labels.

    What the page's own lines make is not there: a line that reads it before it is made fails.
    """
    names = _FILES_OF_PAGE.get(page or "", _FILES)
    if not names:
        return
    demo = load_collection("demo")
    labels = demo.qrels()
    labelled = {label.query_id for label in labels}
    queries = [query for query in demo.queries() if query.query_id in labelled][:_LABELLED]
    queries += [query for query in demo.queries() if query.query_id not in labelled][:_UNLABELLED]
    kept = [label for label in labels if label.query_id in {query.query_id for query in queries}]
    wanted = {label.doc_id for label in kept}
    documents = [each for place, each in enumerate(demo.documents()) if place < _OTHERS or each.doc_id in wanted]
    collection = folder / "my-collection"
    collection.mkdir()
    _write_json(collection / "corpus.jsonl", [{"_id": each.doc_id, **each.fields} for each in documents])
    _write_json(collection / "queries.jsonl", [{"_id": each.query_id, "text": each.text} for each in queries])
    qrels = "".join(f"{label.query_id} 0 {label.doc_id} {label.grade}\n" for label in kept)
    for path in ("my-collection/qrels.tsv", *names & {"qrels.tsv", "human.qrels"}):
        (folder / path).write_text(qrels, encoding="utf-8")
    searcher = build_searcher("embedded", documents, folder / "bm25", index=IndexConfig(), encoder=EncoderConfig())
    run = "".join(
        f"{each.query_id} Q0 {each.doc_id} {each.rank} {each.score} bm25\n" for each in searcher.search(queries, _DEPTH)
    )
    for path in (name for name in names if name.endswith(".trec")):
        (folder / path).write_text(run.replace("bm25\n", "relsearch\n") if path[0] == "r" else run, encoding="utf-8")
    if "searches.csv" in names:
        with (folder / "searches.csv").open("w", encoding="utf-8", newline="") as log:
            csv.writer(log).writerows([("query", "count"), *((query.text, 9) for query in queries)])
    (folder / "pairs").mkdir()
    pair = {"query_id": "q1", "query": "green tea", "doc_id": "d1", "text": "Tea."}
    _write_json(folder / "pairs" / "some.jsonl", [pair])
    (folder / "search.json").write_text('{"query": {"match": {"contents": "{{query}}"}}}', encoding="utf-8")


_SHELL_SIGNS = frozenset("|<>&;$`*")


class Shell:
    """Runs lines in a folder, with addresses of the documentation replaced by those of servers that run."""

    def __init__(self, folder: Path, addresses: dict[str, str], variables: dict[str, str]) -> None:
        self._folder = folder
        self._addresses = addresses
        self._variables = variables
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        bin_folder = folder / ".bin"
        bin_folder.mkdir()
        program = bin_folder / "relsearch"
        program.write_text(f"#!{sys.executable}\nfrom relsearch.cli import main\nmain()\n", encoding="utf-8")
        program.chmod(0o755)
        path = f"{bin_folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY), **variables}

    def run(self, line: str) -> str:
        """Return what a line prints; raise AssertionError unless it ends with exit status 0, or serves."""
        words = shlex.split(line, comments=True)
        serves = words[0] == "relsearch" and words[1] in _SERVERS
        if serves:
            self._addresses[_SERVERS[words[1]]] = f"127.0.0.1:{_free_port()}"
        for written, running in self._addresses.items():
            line = line.replace(written, running)
        if serves:
            self._serve(line, words[1])
            return ""
        if "--import" in words:
            _fill_in(self._folder / words[words.index("--import") + 1])
        done = self._here(line) if words[0] == "relsearch" and not _SHELL_SIGNS & set(line) else self._bash(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, f"{line}\n{done.stderr}"
        return done.stdout

    def _here(self, line: str) -> Done:
        """Run a line without shell syntax in this process: to start one and import takes longer than most verbs."""
        with patch.dict(os.environ, self._variables), warnings.catch_warnings():
            warnings.simplefilter("default")  # as in a process of its own
            return relsearch(*shlex.split(line, comments=True)[1:], cwd=self._folder)

    def _bash(self, line: str) -> Done:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_WAIT_S,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def _serve(self, line: str, verb: str) -> None:
        """Start a server in place of the verb's earlier one, which may hold its files; wait until it listens."""
        if verb in self._running:
            _stop(self._running.pop(verb))
        host, _, port = self._addresses[_SERVERS[verb]].partition(":")
        command = f"exec {line.partition(' #')[0].rstrip().removesuffix('&')} --port {port}"
        log = (self._folder / f"{port}.log").open("wb")
        with log:
            process = subprocess.Popen(
                ["bash", "-c", command], cwd=self._folder, env=self._environment, stdout=log, stderr=log
            )
        self._running[verb] = process
        ends = time.monotonic() + _WAIT_S
        while time.monotonic() < ends:
            assert process.poll() is None, f"{command}\n{(self._folder / f'{port}.log').read_text(encoding='utf-8')}"
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                return
            time.sleep(0.2)
        raise AssertionError(f"{command}: does not listen")

    def close(self) -> None:
        """Stop the servers that were started."""
        for process in self._running.values():
            _stop(process)


@contextmanager
def shell(
    folder: Path, *, addresses: dict[str, str] | None = None, variables: dict[str, str] | None = None
) -> Iterator[Shell]:
    """Yield a shell in the folder; stop what it started."""
    opened = Shell(folder, dict(addresses or {}), dict(variables or {}))
    try:
        yield opened
    finally:
        opened.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(_WAIT_S)


def _fill_in(form: Path) -> None:
    """Grade a form as people would."""
    with form.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with form.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "grade": "1"} for row in rows)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_json(path: Path, rows: Sequence[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
