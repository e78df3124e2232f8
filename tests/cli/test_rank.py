"""The verb `rerank` where it reads only some candidates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relsearch.cli.app import app
from relsearch.core.files.journal import ROWS
from relsearch.data.trec import read_run
from tests.command import relsearch

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
    assert done.stdout == f"{tmp_path / 'new.trec'}: 1 query, 16 candidates\n"
    run = read_run(tmp_path / "new.trec")
    order = "".join(run["doc_id"])
    assert sorted(order) == sorted(WORDS)
    assert [each for each in order if each in WORDS[4:15]] == [*WORDS[4:15]]
    assert run["score"].is_sorted(descending=True)


def test_a_run_without_candidates_is_no_success(command: list[str], tmp_path: Path) -> None:
    """What should have made it has failed; nothing is written."""
    run, new = tmp_path / "empty.trec", tmp_path / "new.trec"
    run.write_text("", encoding="utf-8")
    graded = ["grade", str(run), *command[4:], "-o", str(new)]
    for arguments in (["rerank", str(run), *command[2:], "-o", str(new)], graded):
        done = relsearch(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{run}: has no rows; a run has lines such as" in done.stderr
    assert list(tmp_path.iterdir()) == [run]


def test_an_order_of_other_reading_is_not_gone_on_with(command: list[str], tmp_path: Path) -> None:
    """An unfinished run keeps its orders for the same number of texts read, not for another."""
    run = tmp_path / "bm25.trec"
    run.write_text(Path(command[1]).read_text(encoding="utf-8") + "unknown Q0 a 1 1 bm25\n", encoding="utf-8")
    for read, orders in (("5", 1), ("5", 1), ("6", 2)):
        done = CliRunner().invoke(app, ["rerank", str(run), *command[2:], "--read", read, "-o", f"{tmp_path}/new.trec"])
        assert "query 'unknown' has no text" in str(done.exception)
        assert len((tmp_path / "new.trec.unfinished" / ROWS).read_text(encoding="utf-8").splitlines()) == orders


def test_scores_that_nobody_read_have_no_threshold(command: list[str]) -> None:
    """What was not read has a score between those around it, which is no P(relevant)."""
    for bound in (["--read", "5"], ["--budget-ms", "10"]):
        done = CliRunner().invoke(app, [*command, *bound, "--min-score", "0.5"])
        assert done.exit_code == 2
        assert "--min-score needs all candidates read" in done.output


def test_one_bound_is_enough(command: list[str]) -> None:
    """How many are read and for how long are two ways to say one thing."""
    done = CliRunner().invoke(app, [*command, "--read", "5", "--budget-ms", "10"])
    assert done.exit_code == 2
    assert "--read and --budget-ms both bound the reading; give one" in done.output
