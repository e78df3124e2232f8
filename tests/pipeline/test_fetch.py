"""Fetching goes on where it was interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relsearch.core.errors import DataError, SearchEngineError
from relsearch.index.engine.http import Json, Reply, Server
from relsearch.pipeline.standalone.fetch import fetch_collection


class _Engine:
    """Answers searches until so many were asked, then is gone."""

    def __init__(self, *, most: int) -> None:
        self.asked = 0
        self._most = most

    def send(self, method: str, path: str, body: Json | None) -> Reply:
        if "_search" not in path:
            return Reply(200, {"docs": {"mappings": {"properties": {"text": {"type": "text"}}}}, "fields": {}})
        asks = body is not None and "query" in body  # not what looks for the index's fields
        if asks and self.asked == self._most:
            raise SearchEngineError("gone")
        self.asked += asks
        hits: list[dict[str, Any]] = [
            {"_id": f"d{self.asked}", "_score": 2.0, "_source": {"text": f"text {self.asked}"}},
            {"_id": "d0", "_score": 1.0, "_source": {"text": "text 0"}},
        ]
        return Reply(200, {"hits": {"hits": hits}})


def _fetch(engine: _Engine, folder: Path) -> int:
    server = Server("elasticsearch", "http://engine", engine.send, lambda actions: iter(()))
    body = folder / "body.json"
    body.write_text('{"query": {"match": {"text": "{{query}}"}}}')
    return len(fetch_collection(server, "docs", folder, depth=2, fields=None, body=body).candidates)


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    """Nothing is lost or doubled, and nothing is left beside the run in the end."""
    rows = [json.dumps({"_id": f"q{number}", "text": f"words {number}"}) for number in range(5)]
    (tmp_path / "queries.jsonl").write_text("\n".join(rows))
    with pytest.raises(SearchEngineError):
        _fetch(_Engine(most=3), tmp_path)
    rest = _Engine(most=99)
    rest.asked = 3
    assert _fetch(rest, tmp_path) == 10
    assert rest.asked == 5
    corpus = [json.loads(line)["_id"] for line in (tmp_path / "corpus.jsonl").read_text().splitlines()]
    assert sorted(corpus) == ["d0", "d1", "d2", "d3", "d4", "d5"]
    assert not (tmp_path / "first_stage.trec.unfinished").exists()


def test_a_folder_without_queries_is_refused_with_what_to_write(tmp_path: Path) -> None:
    """Nothing is asked."""
    engine = _Engine(most=0)
    with pytest.raises(DataError, match=r"has no queries\.jsonl; write one with lines such as "):
        _fetch(engine, tmp_path)
    server = Server("elasticsearch", "http://engine", engine.send, lambda actions: iter(()))
    with pytest.raises(DataError, match=r"no such folder; make it, with your queries in queries\.jsonl"):
        fetch_collection(server, "docs", tmp_path / "my", depth=2, fields=None, body=None)
    assert engine.asked == 0
