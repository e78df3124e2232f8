"""Collecting: labels that the scale cannot hold are refused at once, not after hours of work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relsearch.config import CollectionConfig, Config
from relsearch.errors import DataError
from relsearch.pipeline import run_verb


def _collect(folder: Path, *, grade: int, scale: str) -> None:
    (folder / "corpus.jsonl").write_text(json.dumps({"_id": "d1", "title": "", "text": "a cat purrs"}) + "\n", "utf-8")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "purring"}) + "\n", "utf-8")
    (folder / "qrels.tsv").write_text(f"q1\t0\td1\t{grade}\n", "utf-8")
    config = Config(output=folder / "out", collection=CollectionConfig(source=str(folder), scale=scale))
    list(run_verb("collect", config))


def test_binary_labels_on_a_graded_scale_are_refused(tmp_path: Path) -> None:
    """Under 0-3 a grade of 1 is not relevant: the error names the setting, which then works."""
    with pytest.raises(DataError, match=r'no grade reaches 2, .* set \[collection\] scale, to "binary"'):
        _collect(tmp_path, grade=1, scale="0-3")
    _collect(tmp_path, grade=1, scale="binary")


def test_a_grade_outside_the_scale_is_refused(tmp_path: Path) -> None:
    """The error names the label and the setting."""
    with pytest.raises(DataError, match=r"grade 3 of query 'q1', document 'd1' is outside scale binary"):
        _collect(tmp_path, grade=3, scale="binary")
