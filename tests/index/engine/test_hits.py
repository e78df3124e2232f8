"""A hit's text fields, of an index that relsearch made and of any other."""

from __future__ import annotations

from typing import Any

import pytest

from relsearch.core.types import Document
from relsearch.index.engine.hits import hit_documents, hit_fields, hit_text, no_text_error, source_paths
from relsearch.index.engine.http import CONTENTS, DOC_ID

OWN = {DOC_ID: "d", CONTENTS: "Tea\nGreen", "fields": {"title": "Tea", "text": "Green", "contents": "own"}}
FOREIGN = {"title": "Tea", "fields": {"title": "a form's", "colour": "green"}}
SHOP = {DOC_ID: "d", "sku": "7", "fields": {"colour": "green"}}


def _source(source: Any) -> dict[str, Any]:
    return {"_id": "d", "_source": source}


def test_an_own_index_keeps_a_documents_fields_apart() -> None:
    """Whatever they are called."""
    assert hit_fields(_source(OWN)) == {"title": "Tea", "text": "Green", "contents": "own"}
    assert hit_fields(_source(OWN), {"text": "contents"}) == {"text": "own"}


def test_an_own_document_without_text_has_no_fields() -> None:
    """Its id is no text of it."""
    assert hit_fields(_source({DOC_ID: "d", CONTENTS: "", "fields": {}})) == {}


@pytest.mark.parametrize("source", [FOREIGN, SHOP])
def test_a_foreign_object_called_fields_hides_nothing(source: dict[str, Any]) -> None:
    """It is an object as any other, also beside a key called doc_id."""
    assert "fields" not in hit_fields(_source(source))
    assert hit_fields(_source(source)).keys() == source.keys() - {"fields"}
    assert hit_fields(_source(source), {"text": "fields.colour"}) == {"text": "green"}


@pytest.mark.parametrize(
    ("source", "path", "text"),
    [
        ({"a": {"b": {"c": "deep"}}}, "a.b.c", "deep"),
        ({"a.b": {"c": "dotted"}}, "a.b.c", "dotted"),
        ({"a": {"b.c": "dotted"}}, "a.b.c", "dotted"),
        ({"a.b.c": "dotted"}, "a.b.c", "dotted"),
        ({"a": [{"b": "one"}, {"c": "none"}, {"b": ["two", 3]}]}, "a.b", "one two 3"),
        ({"a": ["one", None, ["two", True, {"b": "no"}]]}, "a", "one two"),
        ({"a": 1.5}, "a", "1.5"),
        ({"a": 0}, "a", "0"),
        ({"a": float("nan")}, "a", ""),
        ({"a": None}, "a", ""),
        ({"a": None}, "a.b", ""),
        ({"a": True}, "a", ""),
        ({"a": {"b": "c"}}, "a", ""),
        ({"a": "text"}, "a.b", ""),
        ({"a": "half \ud800 pair"}, "a", "half ? pair"),
    ],
)
def test_a_path_finds_text_wherever_json_may_hold_it(source: dict[str, Any], path: str, text: str) -> None:
    """Objects, keys with dots, lists of objects, numbers; nulls, truth values and objects are no text."""
    assert hit_fields(_source(source), {"text": path}).get("text", "") == text
    assert hit_text(_source(source), "{text}", {"text": path}) == text


def test_a_vector_is_no_text() -> None:
    """Documents are drawn with all their text fields, and indices hold vectors."""
    assert hit_fields(_source({"text": "tea", "vector": [0.1, 0.2], "tags": ["a", "b"]})) == {
        "text": "tea",
        "tags": "a b",
    }


def test_what_a_search_asked_for_as_fields_is_read_where_there_is_no_source() -> None:
    """The engines answer `fields` flattened, each value in a list, and nested ones as objects."""
    hit = {"_id": "d", "fields": {"title": ["Tea"], "body.content": ["green", "leaf"], "authors": [{"name": ["Ada"]}]}}
    assert hit_fields(hit, {"title": "title", "text": "body.content"}) == {"title": "Tea", "text": "green leaf"}
    assert hit_fields(hit, {"by": "authors.name"}) == {"by": "Ada"}
    assert hit_fields(hit) == {"title": "Tea", "body.content": "green leaf"}
    assert hit_fields(hit | _source({"title": "Source"}), {"title": "title"}) == {"title": "Source"}


def test_hits_without_a_source_have_no_text() -> None:
    """An index may keep none."""
    hits: list[dict[str, Any]] = [{"_id": "a"}, {"_id": "c", "_source": None}, {"_id": "b", "_source": {"text": "x"}}]
    assert list(hit_documents(hits)) == [Document("b", {"text": "x"})]


def test_an_error_tells_a_disabled_source_from_other_fields() -> None:
    """The one is mended in the index, the other by naming fields."""
    assert "_source: it is disabled" in str(no_text_error([{"_id": "a"}], {"text": "body"}, "name them"))
    assert str(no_text_error([_source({"t": "x"})], {"text": "body"}, "name them")) == (
        "the hits have no text in body; name them"
    )
    assert "no text in any field; name them" in str(no_text_error([_source({"t": 1})], None, "name them"))


def test_the_source_asked_for_holds_the_fields_of_own_and_other_indices() -> None:
    """Both are read by the same names."""
    assert source_paths({"text": "body"}) == ["body", DOC_ID, "fields.body"]
