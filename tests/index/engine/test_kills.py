"""Loading an index and fetching from one go on after Ctrl-C and kill -9."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from relsearch.core.files.journal import ROWS
from relsearch.index.engine.http import Server
from tests import killing

pytestmark = pytest.mark.slow

NAME = "killed"
_DOCUMENTS, _QUERIES = 9_000, 80  # a search shows 10,000 at most; fewer are loaded before the second signal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection of short documents."""
    documents = [{"_id": f"d{number}", "text": f"word{number % 50} salt"} for number in range(_DOCUMENTS)]
    queries = [{"_id": f"q{number}", "text": f"word{number % 50} salt"} for number in range(_QUERIES)]
    for name, rows in (("corpus.jsonl", documents), ("queries.jsonl", queries)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def test_killed_verbs_go_on(server: Server, folder: Path, tmp_path: Path) -> None:
    """Every document is in the index once, and what is fetched is what an unbroken run fetches."""
    log = tmp_path / "log"
    engine = ["--url", server.url, "--engine", server.name, "--index", NAME]
    server.send("DELETE", f"/{NAME}", None)

    def loaded() -> list[str]:
        if not server.send("POST", f"/{NAME}/_refresh", None).ok:
            return []
        body = {"size": _DOCUMENTS + 1, "_source": False, "query": {"match_all": {}}}
        return [hit["_id"] for hit in server.ask("POST", f"/{NAME}/_search", body)["hits"]["hits"]]

    ingest = ["ingest", str(folder), *engine]
    assert killing.stop(ingest, log, loaded, by=signal.SIGINT) == 130
    assert killing.stop(ingest, log, loaded, by=signal.SIGKILL) == -signal.SIGKILL
    assert len(loaded()) < _DOCUMENTS
    assert killing.run(ingest, log) == 0, log.read_text("utf-8")
    assert sorted(loaded()) == sorted(f"d{number}" for number in range(_DOCUMENTS))

    made: list[list[bytes]] = []
    for name in ("whole", "killed"):
        target = tmp_path / name
        target.mkdir()
        (target / "queries.jsonl").write_bytes((folder / "queries.jsonl").read_bytes())
        fetch = ["fetch", str(target), *engine, "--field", "text", "--depth", "50"]
        journal = target / "first_stage.trec.unfinished" / ROWS
        if name == "killed":
            assert killing.stop(fetch, log, lambda: _keys(journal), by=signal.SIGINT) == 130  # noqa: B023 - called here
            assert killing.stop(fetch, log, lambda: _keys(journal), by=signal.SIGKILL) == -signal.SIGKILL  # noqa: B023
        assert killing.run(fetch, log) == 0, log.read_text("utf-8")
        made.append([(target / each).read_bytes() for each in ("first_stage.trec", "corpus.jsonl")])
    assert made[0] == made[1]
    assert log.read_text("utf-8").count("interrupted; the same command goes on where it stopped") == 2


def _keys(journal: Path) -> list[int]:
    """The rows that are whole; a search that is asked twice has two."""
    return list(range(journal.read_bytes().count(b"\n"))) if journal.is_file() else []
