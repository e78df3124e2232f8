"""A hit's text fields, of an index that relsearch made and of any other."""

from __future__ import annotations

from relsearch.core.types import Document
from relsearch.index.engine.hits import hit_documents, source_fields
from relsearch.index.engine.http import CONTENTS, DOC_ID

OWN = {DOC_ID: "d", CONTENTS: "Tea\nGreen", "fields": {"title": "Tea", "text": "Green", "contents": "own"}}
FOREIGN = {"title": "Tea", "fields": {"title": "a form's", "colour": "green"}}


def test_an_own_index_keeps_a_documents_fields_apart() -> None:
    """Whatever they are called."""
    assert source_fields(OWN) == {"title": "Tea", "text": "Green", "contents": "own"}
    assert source_fields(OWN, {"text": "contents"}) == {"text": "own"}


def test_a_foreign_object_called_fields_hides_nothing() -> None:
    """It is an object as any other."""
    assert source_fields(FOREIGN) == {"title": "Tea"}
    assert source_fields(FOREIGN, {"title": "title", "text": "fields.colour"}) == {"title": "Tea", "text": "green"}


def test_hits_without_a_source_have_no_text() -> None:
    """An index may keep none."""
    assert list(hit_documents([{"_id": "a"}, {"_id": "b", "_source": {"text": "x"}}])) == [Document("b", {"text": "x"})]
