"""Which fields of a document the judge reads: those that the template names, from the collection to the pair."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import polars as pl
import pytest

from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import CollectionConfig, Config
from relsearch.pipeline.artifacts import building
from relsearch.pipeline.stages.gather import collect
from relsearch.pipeline.stages.inputs import Artefacts, open_collected

WHOLE = {"title": "Tides", "url": "sea.org/tides", "meta": "By the sea", "body": "The moon pulls."}
ROWS = [{"_id": "whole", **WHOLE}, {"_id": "bare", "body": "Only a body."}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection of a document with four fields and one with a body alone."""
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "tides"}\n', encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q 0 whole 2\nq 0 bare 0\n", encoding="utf-8")
    return tmp_path


def _texts(folder: Path, template: str) -> list[str]:
    config = Config(output=folder / "out", collection=CollectionConfig(source=str(folder), template=template))
    with building(Artefacts(config.output).path("collect"), "collect", expected="x") as work:
        collect(config, work)
    pairs = open_collected(config).pairs(pl.DataFrame({"query_id": ["q", "q"], "doc_id": ["whole", "bare"]}))
    assert [pair.query for pair in pairs] == ["tides", "tides"]
    return [pair.text for pair in pairs]


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        (
            "{title}\n{url}\n{meta}\n{body}",
            ["Tides\nsea.org/tides\nBy the sea\nThe moon pulls.", "Only a body."],
        ),
        ("{body}", ["The moon pulls.", "Only a body."]),
        ("{body}\n{title}", ["The moon pulls.\nTides", "Only a body."]),
    ],
)
def test_the_template_decides_what_is_read(folder: Path, template: str, texts: list[str]) -> None:
    """Title, url, meta and body stand in the pair in the template's order; what a document lacks leaves no trace."""
    assert _texts(folder, template) == texts


def test_bodies_that_nothing_reads_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The default template does not know the name body: the collection is taken, with one line that says so."""
    with caplog.at_level(logging.WARNING):
        assert _texts(folder, DEFAULT_TEMPLATE) == ["Tides", ""]
    assert caplog.messages == ["[collection] template names text, which no document has; nothing reads body, meta, url"]


def test_a_template_that_fits_no_document_is_refused(folder: Path) -> None:
    """Empty texts are not judged: the error names the fields that there are."""
    with pytest.raises(ConfigError, match="no document has text; name what they have: body, meta, title, url"):
        _texts(folder, "{text}")
