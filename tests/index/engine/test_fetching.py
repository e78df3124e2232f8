"""A live index as a collection: the engine's own candidates, the labelled documents, and bodies that are refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.core.errors import ConfigError, DataError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import Config, IndexConfig
from relsearch.core.tables import CANDIDATES, read
from relsearch.core.types import Document
from relsearch.data.collection import load_collection
from relsearch.data.trec import read_run
from relsearch.index.engine.fetching import body_from
from relsearch.index.engine.http import Server
from relsearch.index.engine.ingest import ingest
from relsearch.pipeline.order import run_verb

NAME = "fetched"
QUERIES = {"q1": "green tea", "q2": "salt sea", "nothing": "zzz"}
LABELS = {("q1", "tea-black"): 1, ("q1", "cat-purr"): 0, ("q2", "gone"): 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Queries and labels as a team has them, one of a document that its index has no more."""
    rows = [json.dumps({"_id": query, "text": text}) for query, text in QUERIES.items()]
    (tmp_path / "queries.jsonl").write_text("\n".join(rows), encoding="utf-8")
    qrels = [f"{query}\t0\t{doc}\t{grade}\n" for (query, doc), grade in LABELS.items()]
    (tmp_path / "qrels.tsv").write_text("".join(qrels), encoding="utf-8")
    return tmp_path


def _fetch(server: Server, folder: Path, *options: str) -> dict[str, int]:
    engine = ["--engine", server.name, "--url", server.url, "--index", NAME]
    result = CliRunner().invoke(app, ["fetch", str(folder), *engine, "--json", *options])
    assert result.exit_code == 0, (result.output, result.exception)
    counts: dict[str, int] = json.loads(result.output)
    return counts


@pytest.fixture(scope="module")
def filled(server: Server, documents: list[Document]) -> Server:
    """An engine with the shared documents, and two that the labels name."""
    labelled = [
        Document("tea-black", {"title": "Black tea", "text": "boiling water"}),
        Document("cat-purr", {"title": "", "text": "calm cats purr"}),
    ]
    index = IndexConfig(url=server.url, name=NAME)
    present = {document.doc_id for document in labelled}
    rest = [document for document in documents if document.doc_id not in present]
    ingest([*rest, *labelled], server, index=index, template=DEFAULT_TEMPLATE, replace=True)
    return server


def test_candidates_and_labelled_documents_make_a_collection(
    filled: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Candidates stand in the engine's order with its scores; every document of theirs and of the labels is there."""
    counts = _fetch(filled, folder)
    run = read_run(folder / "first_stage.trec")
    documents = {document.doc_id: document for document in load_collection(str(folder)).documents()}
    assert counts["candidates"] == run.height > 0
    assert counts["absent"] == 1
    assert documents.keys() == {*run["doc_id"], "tea-black", "cat-purr"}
    assert "nothing" not in run["query_id"]
    body = {"query": {"multi_match": {"query": "green tea", "fields": ["title", "text", "contents"]}}, "size": 100}
    hits = filled.ask("POST", f"/{NAME}/_search", body)["hits"]["hits"]
    own = run.filter(run["query_id"] == "q1")
    assert own["doc_id"].to_list() == [hit["_id"] for hit in hits]
    assert own["score"].to_list() == pytest.approx([hit["_score"] for hit in hits])
    config = Config.model_validate(
        {
            "output": folder / "out",
            "collection": {"source": str(folder), "scale": "binary"},
            "pool": {"runs": [folder / "first_stage.trec"]},
        }
    )
    with caplog.at_level(logging.WARNING):
        for verb in ("collect", "index", "pool"):
            list(run_verb(verb, config))
    assert "1 labelled documents are not in the collection, the first 'gone'" in caplog.text
    assert read(folder / "out" / "pool" / "first_stage.parquet", CANDIDATES).height == run.height


def test_a_search_of_ones_own_ranks_the_candidates(filled: Server, folder: Path) -> None:
    """The words stand where the body says, depth cuts, and fields come by the names given."""
    body = folder / "search.json"
    match = {"bool": {"must": [{"match": {"contents": "{{query}}"}}], "filter": [{"ids": {"values": ["tea-black"]}}]}}
    body.write_text(json.dumps({"query": match}), encoding="utf-8")
    counts = _fetch(filled, folder, "--body", str(body), "--depth", "1", "--field", "body=text")
    assert counts["candidates"] == 1
    documents = {document.doc_id: document.fields for document in load_collection(str(folder)).documents()}
    assert documents["tea-black"] == {"body": "boiling water"}


def test_fields_that_no_hit_has_are_named(filled: Server, folder: Path) -> None:
    """The error says which, and how to name others."""
    command = ["fetch", str(folder), "--engine", filled.name, "--url", filled.url, "--index", NAME]
    result = CliRunner().invoke(app, [*command, "--field", "text=body_of_text"])
    assert isinstance(result.exception, ConfigError)
    assert "has no field body_of_text; nearest: text; " in str(result.exception)
    assert not (folder / "corpus.jsonl").exists()


def test_a_field_that_no_hit_has_is_an_error_beside_one_that_they_have(filled: Server, folder: Path) -> None:
    """A typing error in one path would otherwise leave every text out."""
    command = ["fetch", str(folder), "--engine", filled.name, "--url", filled.url, "--index", NAME]
    result = CliRunner().invoke(app, [*command, "--field", "title", "--field", "text=boddy"])
    assert isinstance(result.exception, ConfigError)
    assert "has no field boddy; " in str(result.exception)


def test_a_collection_of_ones_own_is_never_replaced(filled: Server, folder: Path) -> None:
    """What fetch wrote it writes anew; what a person wrote, or changed since, it leaves alone."""
    _fetch(filled, folder)
    _fetch(filled, folder)
    for name in ("corpus.jsonl", "first_stage.trec"):
        before = (folder / name).read_text(encoding="utf-8")
        mine = before + before.splitlines()[-1].replace("elasticsearch", "mine").replace("opensearch", "mine") + "\n"
        (folder / name).write_text(mine, encoding="utf-8")
        command = ["fetch", str(folder), "--engine", filled.name, "--url", filled.url, "--index", NAME]
        result = CliRunner().invoke(app, command)
        assert isinstance(result.exception, DataError)
        assert f"{name}: there already, and not as this command writes it" in str(result.exception)
        assert (folder / name).read_text(encoding="utf-8") == mine
        (folder / name).write_text(before, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"size": 3}', "not a search body"),
        ('{"query": {"match_all": {}}}', r"no \{\{query\}\} in its query"),
    ],
)
def test_a_body_that_searches_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file and what to write."""
    path = tmp_path / "body.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        body_from(path)


@pytest.mark.parametrize(
    "body",
    [
        {"retriever": {"standard": {"query": {"match": {"title": "{{query}}"}}}}},
        {"retriever": {"rrf": {"retrievers": [{"standard": {"query": {"match": {"title": "{{query}}"}}}}]}}},
        {"knn": {"field": "v", "query_vector_builder": {"text_embedding": {"model_text": "{{query}}"}}}},
    ],
)
def test_a_body_may_hold_a_retriever(tmp_path: Path, body: dict[str, object]) -> None:
    """Wherever in it the words belong."""
    path = tmp_path / "body.json"
    path.write_text(json.dumps(body), encoding="utf-8")
    assert json.dumps(body_from(path)("green tea")) == json.dumps(body).replace("{{query}}", "green tea")


def test_a_missing_body_is_named(tmp_path: Path) -> None:
    """The file and the option."""
    with pytest.raises(ConfigError, match=r"nowhere\.json: cannot be read .* --body"):
        body_from(tmp_path / "nowhere.json")


def test_words_with_quotes_stay_words(tmp_path: Path) -> None:
    """The body is filled after it was parsed, so that no query can change it."""
    path = tmp_path / "body.json"
    path.write_text('{"query": {"match": {"title": "{{query}}"}}, "size": 3}', encoding="utf-8")
    assert body_from(path)('a "b", {') == {"query": {"match": {"title": 'a "b", {'}}, "size": 3}
