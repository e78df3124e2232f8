"""Where the first order comes from: an index over a collection, and a search engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from relsearch.core.errors import ConfigError, DataError
from relsearch.data.collection import load_collection
from relsearch.index.engine.http import Reply, Server
from relsearch.live.ui.orders.sources import EngineSource, IndexSource, RunSource
from relsearch.live.ui.workspace import Workspace
from tests.live.ui.conftest import options


def test_an_index_finds_what_people_see(folder: Path, tmp_path: Path) -> None:
    """Titles and texts; its documents are known by their ids."""
    source = IndexSource.build("mine", load_collection(str(folder)), tmp_path)
    assert [each.doc_id for each in source.find("tides moon", 3)] == ["sea-1"]
    opened = IndexSource.open("mine", load_collection(str(folder)), tmp_path)
    assert opened.find("Sunset", 3)[0].title == "Sunset"
    passage = opened.passage("sky-2")
    assert passage is not None
    assert passage.body.startswith("At sunset")
    assert opened.passage("absent") is None


def test_an_engine_is_asked_for_the_fields_that_are_named(tmp_path: Path) -> None:
    """By their paths; the index stands quoted in the URL."""
    asked: list[tuple[str, Any]] = []

    def send(method: str, path: str, body: Any) -> Reply:
        asked.append((path, body))
        hit = {"_id": "1", "_score": 2.5, "_source": {"headline": "Tides", "body": "The moon."}}
        return Reply(200, {"hits": {"hits": [hit]}})

    server = Server("elasticsearch", "http://127.0.0.1:9200", send, lambda actions: iter(()))
    source = EngineSource(server, "a/b", {"title": "headline", "text": "body"})
    (found,) = source.find("moon", 7)
    assert (found.title, found.body, found.score) == ("Tides", "The moon.", 2.5)
    assert asked[0][0] == "/a%2Fb/_search"
    assert asked[0][1]["size"] == 7
    assert asked[0][1]["query"]["multi_match"]["fields"][:2] == ["headline", "body"]
    assert source.passage("1") == found.__class__("1", found.fields)


def test_of_a_run_only_its_queries_are_judged_and_suggested(folder: Path, tmp_path: Path) -> None:
    """The collection has three more, for which it has no documents."""
    given = {"judgments": None, "judge": str(folder / "judgments.parquet")}
    workspace = Workspace(options(folder, tmp_path / "human.qrels", **given))
    try:
        assert workspace.suggestions() == ["why does a cat purr"]
        assert workspace.judged is not None
        workspace.judged.table()  # the first look starts the judge
        until = time.monotonic() + 30
        while (state := workspace.judged.state()) and "stopped" not in state and time.monotonic() < until:
            time.sleep(0.01)
        assert state is None
        assert set(workspace.judged.table()["query_id"]) == {"q1"}
    finally:
        workspace.close()


def test_a_run_of_another_collection_is_refused(folder: Path, tmp_path: Path) -> None:
    """Before the app listens."""
    run = tmp_path / "other.trec"
    run.write_text("other Q0 cat-1 1 1.0 t\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"other\.trec: none of its queries is in the collection"):
        RunSource(run, load_collection(str(folder)))


@pytest.mark.parametrize("given", [{"collection": None, "run": None}, {"url": "http://127.0.0.1:9"}])
def test_what_cannot_be_searched_is_said(folder: Path, tmp_path: Path, given: dict[str, Any]) -> None:
    """In one line, before the app listens."""
    with pytest.raises(ConfigError, match="--index"):
        Workspace(options(folder, tmp_path / "human.qrels", **given))
