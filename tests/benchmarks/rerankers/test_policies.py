"""The benchmark of policies hides what it says it hides."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rerankers import policies


def test_labels_of_unlabelled_queries_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the queries are for the test, so many are labelled, and of the others no grade is in the folder."""
    source = tmp_path / "toy"
    source.mkdir()
    for file in ("corpus.jsonl", "queries.jsonl"):
        (source / file).write_text("{}\n", encoding="utf-8")
    (source / "qrels.tsv").write_text("".join(f"q{n}\t0\td{n}\t1\n" for n in range(20)), encoding="utf-8")
    monkeypatch.setattr(policies, "COLLECTIONS", tmp_path)
    policies.gather("toy", tmp_path / "gathered", labelled=5)
    rows = [line.split() for line in (tmp_path / "gathered" / "splits.tsv").read_text("utf-8").splitlines()]
    members = {split: {query for query, given in rows if given == split} for _, split in rows}
    assert {split: len(found) for split, found in members.items()} == {
        "train": 4,
        "dev": 1,
        "unlabelled": 5,
        "test": 10,
    }
    graded = {line.split()[0] for line in (tmp_path / "gathered" / "qrels.tsv").read_text("utf-8").splitlines()}
    assert graded == members["train"] | members["dev"] | members["test"]
