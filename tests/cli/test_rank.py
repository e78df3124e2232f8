"""The verb `rerank` where it reads only some candidates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relsearch.cli.app import app
from relsearch.data.trec import read_run

WORDS = "abcdefghijklmnop"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, late_bundle: Path) -> list[str]:
    """A rerank of a run of sixteen documents, the first and the last of which have words in common."""
    folder = tmp_path_factory.mktemp("rerank")
    texts = {each: f"{each * 3} cat" if each in "ap" else each * 3 for each in WORDS}
    lines = [json.dumps({"_id": each, "title": "", "text": text}) for each, text in texts.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "cat"}), encoding="utf-8")
    rows = [f"q Q0 {each} {rank} {40 - rank} bm25\n" for rank, each in enumerate(WORDS, 1)]
    (folder / "bm25.trec").write_text("".join(rows), encoding="utf-8")
    return ["rerank", str(folder / "bm25.trec"), "--bundle", str(late_bundle), "--collection", str(folder)]


def test_what_is_not_read_keeps_its_order(command: list[str], tmp_path: Path) -> None:
    """All candidates come back, those that were not read in the order of the run, with falling scores."""
    done = CliRunner().invoke(app, [*command, "--read", "5", "-o", str(tmp_path / "new.trec")])
    assert done.exit_code == 0, done.output
    run = read_run(tmp_path / "new.trec")
    order = "".join(run["doc_id"])
    assert sorted(order) == sorted(WORDS)
    assert [each for each in order if each in WORDS[4:15]] == [*WORDS[4:15]]
    assert run["score"].is_sorted(descending=True)


def test_one_bound_is_enough(command: list[str]) -> None:
    """How many are read and for how long are two ways to say one thing."""
    done = CliRunner().invoke(app, [*command, "--read", "5", "--budget-ms", "10"])
    assert done.exit_code == 2
    assert "--read and --budget-ms both bound the reading; give one" in done.output
