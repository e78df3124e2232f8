"""A collection whose texts try what a page must not fall for, with judgments of every pair."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from relsearch.core import tables
from relsearch.core.types import Document, Judgment, Query
from relsearch.live.ui.app import create_app
from relsearch.live.ui.workspace import Options, Workspace
from tests.conftest import REPOSITORY

ORIGIN = "http://127.0.0.1"
_MEGABYTE = 2**20
ODD = {
    "html": ("<img src=x onerror=\"document.title='owned'\"> a cat", "<script>document.title='owned'</script> purr"),
    "close": ("</bdi></li></ol></main> a cat", "</textarea>\"'><svg onload=\"document.title='owned'\"> purr {{7*7}}"),
    "right": ("קתול cat مرحبا", "‮ a cat does purr, שלום עולם"),
    "emoji": ("🐈‍⬛ a cat", "👩‍👩‍👧‍👦 why does a cat purr? 🇫🇷 \x07"),
    "long": ("a cat", "purr " * (_MEGABYTE // 5)),
}
# Uncertain, so that every pair is worth a grade; the judge says 1.
_SHARES = (0.3, 0.4, 0.2, 0.1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, documents: list[Document], queries: list[Query]) -> Path:
    """The collection, judgments.parquet, and a run of its first query."""
    folder = tmp_path_factory.mktemp("ui")
    odd = [{"_id": doc_id, "title": title, "text": text} for doc_id, (title, text) in ODD.items()]
    rows = [{"_id": each.doc_id, **each.fields} for each in documents] + odd
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asked = "".join(json.dumps({"_id": each.query_id, "text": each.text}) + "\n" for each in queries)
    (folder / "queries.jsonl").write_text(asked, encoding="utf-8")
    grades = {"q1": "cat-1", "q2": "tea-1", "q3": "sea-1", "q4": "sky-1"}
    qrels = "".join(f"{query} 0 {doc} 3\n" for query, doc in grades.items())
    (folder / "qrels.tsv").write_text(qrels, encoding="utf-8")
    labels = [
        Judgment(query.query_id, str(row["_id"]), 1, "judge", "j", _SHARES, 1.1, 0.4)
        for query in queries
        for row in rows
    ]
    tables.write(tables.judgments_table(labels), folder / "judgments.parquet", tables.JUDGMENTS)
    run = "".join(f"q1 Q0 {row['_id']} {rank} {99 - rank} t\n" for rank, row in enumerate(reversed(rows), 1))
    (folder / "bm25.trec").write_text(run, encoding="utf-8")
    return folder


def options(folder: Path, qrels: Path, **others: object) -> Options:
    """What the tests' apps are opened with."""
    given = {"collection": str(folder), "judgments": folder / "judgments.parquet", "qrels": qrels, **others}
    return Options(**{"run": folder / "bm25.trec", **given})  # type: ignore[arg-type]


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    """The app of a run, in this process."""
    workspace = Workspace(options(folder, tmp_path / "human.qrels", runs=tmp_path / "runs"))
    yield TestClient(create_app(workspace), base_url=ORIGIN, headers={"Origin": ORIGIN})
    workspace.close()


class Server:
    """`relsearch ui` in a process of its own, at one port however often it is started."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self._arguments, self.folder = arguments, folder
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Start it, and return once it listens."""
        port = self.url.rpartition(":")[2] or "0"
        code = "from relsearch.cli import main; main()"
        command = [sys.executable, "-c", code, "ui", *self._arguments, "--port", port]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        self._process = subprocess.Popen(command, cwd=self.folder, env=environment, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr
        for line in self._process.stderr:
            if found := re.search(r"relsearch ui: (http://\S+)", line):
                self.url = found[1]
                return
        raise AssertionError(f"relsearch ui ended with {self._process.wait()}")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
