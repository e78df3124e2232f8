"""Embedded BM25: what its library says."""

from __future__ import annotations

import logging
from pathlib import Path

from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document
from relsearch.index.embedded import build


def test_its_library_says_no_more_than_the_program_asks_for(tmp_path: Path) -> None:
    """Whatever level that gives itself when it is imported: a verb prints no line of it."""
    import bm25s  # noqa: F401

    library = logging.getLogger("bm25s")
    library.setLevel(logging.DEBUG)
    build([Document("d", {"title": "Tea", "text": "Steep."})], tmp_path, index=IndexConfig(), template=DEFAULT_TEMPLATE)
    assert library.getEffectiveLevel() == logging.getLogger().getEffectiveLevel()
