"""Field names against an index: what is there is taken, what is not is an error with the nearest names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.core.errors import FieldsError, RelsearchError, SearchEngineError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document
from relsearch.index.engine.field_check import check_fields, check_searchable, field_types, index_fields
from relsearch.index.engine.http import Server
from relsearch.index.engine.ingest import ingest

NAME, OURS = "shop", "ours"
MAPPINGS = {
    "dynamic": False,
    "properties": {
        "headline": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "content": {"properties": {"body": {"type": "text"}}},
        "year": {"type": "integer"},
    },
}


@pytest.fixture(scope="module")
def shop(server: Server) -> Server:
    """An engine with an index of somebody else's, whose documents have more than it maps, and one of ours."""
    server.send("DELETE", f"/{NAME}", None)
    server.ask("PUT", f"/{NAME}", {"mappings": MAPPINGS})
    row = {"headline": "Green tea", "content": {"body": "steeped"}, "year": 1999, "notes": "unmapped"}
    server.ask("PUT", f"/{NAME}/_doc/1?refresh=true", row)
    documents = [Document("d1", {"title": "Tea", "text": "green"})]
    ingest(documents, server, index=IndexConfig(url=server.url, name=OURS), template=DEFAULT_TEMPLATE, replace=True)
    return server


@pytest.mark.parametrize(
    ("index", "paths", "every"),
    [
        (NAME, ["headline", "content.body", "year"], True),
        (NAME, ["notes"], True),
        (NAME, ["headline", "text"], False),
        (OURS, ["title", "text"], True),
        (f"{NAME},{OURS}", ["headline", "title"], True),
    ],
)
def test_fields_that_are_mapped_or_in_documents_are_there(
    shop: Server, index: str, paths: list[str], every: bool
) -> None:
    """Whatever of the two tells of them."""
    check_fields(shop, index, paths, every=every)


@pytest.mark.parametrize(
    ("index", "paths", "every", "said"),
    [
        (NAME, ["headline", "headlin"], True, "has no field headlin; nearest: headline; text fields there are: "),
        (NAME, ["body"], True, "no field body; nearest: content.body; text fields there are: content.body, headline"),
        (NAME, ["title", "text"], False, "no field text, title; "),
        (OURS, ["titel"], True, "no field titel; nearest: title; text fields there are: text, title"),
    ],
)
def test_a_field_that_is_not_there_is_named(shop: Server, index: str, paths: list[str], every: bool, said: str) -> None:
    """With the nearest names, those there are, and how to name them in a shell and in Python."""
    with pytest.raises(FieldsError) as caught:
        check_fields(shop, index, paths, every=every)
    assert said in str(caught.value)
    assert "fields={'text': " in str(caught.value)
    assert "--field text=" in caught.value.in_shell


def test_an_index_that_is_not_there_is_the_servers_own_error(shop: Server) -> None:
    """It is not one of fields."""
    with pytest.raises(SearchEngineError, match="no such index"):
        check_fields(shop, "nowhere", ["text"])


def test_numbers_are_fields_in_which_no_word_is_found(shop: Server) -> None:
    """An index that relsearch made is searched in its contents, whatever its documents' fields."""
    known = index_fields(shop, NAME)
    assert (known["year"], known["headline"], "content" in known) == ("integer", "text", False)
    with pytest.raises(FieldsError, match=r"no field year; .*text fields there are: content\.body, headline"):
        check_searchable(known, NAME, ["year"])
    check_searchable(known, NAME, ["year", "headline"])
    check_searchable(index_fields(shop, OURS), OURS, ["anything"])


def test_a_field_of_two_types_is_text_where_one_of_them_is() -> None:
    """A pattern may name indices of both; metadata and objects are no fields."""
    caps = {"a": {"keyword": {}, "text": {}}, "_id": {"_id": {"metadata_field": True}}, "o": {"object": {}}}
    assert field_types({"fields": caps}) == {"a": "text"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("search tea --bundle ready --field text=headlin", "no field headlin; nearest: headline"),
        ("search tea --bundle ready", "no field text, title; "),
        ("fetch FOLDER --field text=headlin", "no field headlin; nearest: headline"),
        ("fetch FOLDER", "no field text, title; "),
        ("fetch FOLDER --field text=year", "no field year; "),
        ("fetch FOLDER --field text=headline", "no query finds a document, so nothing was written"),
        ("sample -o FOLDER --field text=headlin", "no field headlin; nearest: headline"),
        ("attach ENGINE --service-url http://127.0.0.1:9 --field headlin", "no field headlin; nearest: headline"),
    ],
)
def test_a_verb_says_so_and_leaves_the_files_of_yesterday(
    shop: Server, tmp_path: Path, command: str, said: str
) -> None:
    """Neither `nothing found` with exit status 0, nor half a collection."""
    row = {"_id": "q", "text": "tea" if "headline" not in command.split("=") else "zzz"}
    (tmp_path / "queries.jsonl").write_text(json.dumps(row), encoding="utf-8")
    words = command.replace("FOLDER", str(tmp_path)).replace("ENGINE", shop.name).split()
    engine = [] if words[0] == "attach" else ["--engine", shop.name]
    result = CliRunner().invoke(app, [*words, *engine, "--url", shop.url, "--index", NAME])
    assert isinstance(result.exception, RelsearchError)
    assert said in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["queries.jsonl"]


def test_a_template_that_no_document_fits_changes_no_index(shop: Server, tmp_path: Path) -> None:
    """Nor does a collection that is empty or broken, also where the index is to be replaced."""
    corpus = tmp_path / "corpus.jsonl"
    command = ["ingest", str(tmp_path), "--engine", shop.name, "--url", shop.url, "--index", OURS, "--replace"]
    for text, options, said in (
        ('{"_id": "d1", "title": "Tea"}\n', ["--template", "{titel}"], "no field titel; nearest: title"),
        ('{"_id": "d1", "title": "Tea"}\n{"_id": "d 2", "title": "Sea"}\n', [], "corpus.jsonl:2: _id 'd 2' holds"),
        ("", [], "no documents"),
    ):
        corpus.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(app, [*command, *options])
        assert isinstance(result.exception, RelsearchError)
        assert said in str(result.exception)
        assert shop.ask("GET", f"/{OURS}/_count")["count"] == 1
