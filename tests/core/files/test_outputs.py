"""What a verb writes replaces neither what it reads nor what somebody else wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.core import tables
from relsearch.core.errors import DataError, RelsearchError
from relsearch.core.files.outputs import check_output
from relsearch.core.types import Document, Judgment
from relsearch.exporters.corpus import is_made, write_corpus

RUN = "q1 Q0 d1 1 2.0 bm25\nq1 Q0 d2 2 1.0 bm25\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection of two documents with a run, qrels and a search log."""
    corpus = [{"_id": "d1", "title": "Tea", "text": "green tea"}, {"_id": "d2", "title": "Sea", "text": "salt"}]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in corpus), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "tea"}\n', encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q1 0 d1 1\nq1 0 d2 0\n", encoding="utf-8")
    (tmp_path / "run.trec").write_text(RUN, encoding="utf-8")
    (tmp_path / "log.jsonl").write_text('{"query": "tea", "count": 2}\n', encoding="utf-8")
    (tmp_path / "unlabelled").mkdir()
    for name in ("corpus.jsonl", "queries.jsonl"):
        (tmp_path / "unlabelled" / name).write_bytes((tmp_path / name).read_bytes())
    judged = [Judgment("q1", doc, 1, "judge", "j", (0.5, 0.5), 0.5, 0.5) for doc in ("d1", "d2")]
    tables.write(tables.judgments_table(judged), tmp_path / "judged.parquet", tables.JUDGMENTS)
    return tmp_path


def _refused(folder: Path, *arguments: str) -> str:
    """The error of a verb that must change nothing."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, [argument.replace("@", f"{folder}/") for argument in arguments])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert isinstance(result.exception, RelsearchError), (result.output, result.exception)
    return str(result.exception)


VERBS = {
    "rerank": ["rerank", "@run.trec", "--bundle", "ready", "--collection", "@", "-o"],
    "grade": ["grade", "@run.trec", "--collection", "@", "-o"],
    "queries": ["queries", "@log.jsonl", "-o"],
    "agree": ["agree", "@qrels.tsv", "@judged.parquet", "--scale", "binary", "--plot"],
    "labels": ["labels", "@judged.parquet", "--format", "trec", "-o"],
    "report": ["report", "@qrels.tsv", "@run.trec", "--resamples", "100", "-o"],
    "review": ["review", "@judged.parquet", "--collection", "@unlabelled", "--export", "2", "-o"],
    "evaluate": ["evaluate", "@qrels.tsv", "@run.trec", "--resamples", "100", "--per-query"],
}
READ = {name: next(word for word in words if word.startswith("@")) for name, words in VERBS.items()}
OUTPUTS = {"output", "plot", "per_query"}  # parameters that name what is written
# fetch and sample need an engine (tests/index/engine/test_fetching.py); export and demo write folders.
NO_FILE = {"sample", "export", "demo"}


@pytest.mark.parametrize("verb", VERBS)
def test_an_output_that_is_the_input_is_refused(folder: Path, verb: str) -> None:
    """By its name, and by a link to it."""
    assert "is read and would be replaced" in _refused(folder, *VERBS[verb], READ[verb])
    (folder / "link").symlink_to(READ[verb].replace("@", f"{folder}/"))
    assert "is read and would be replaced" in _refused(folder, *VERBS[verb], "@link")


def test_every_verb_that_writes_a_file_is_among_these() -> None:
    """A new one is tried as they are, and has --force."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    options = {name: {param.name for param in command.params} for name, command in commands.items()}
    writing = {name for name, names in options.items() if names & OUTPUTS}
    assert writing == VERBS.keys() | NO_FILE
    assert all("force" in options[name] for name in (writing | {"fetch"}) - {"demo"})


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["thesis.csv", "corpus.jsonl", "queries.jsonl"])
def test_somebody_elses_file_is_never_replaced(folder: Path, verb: str, name: str) -> None:
    """The error says to name another one."""
    (folder / "thesis.csv").write_text("years of work", encoding="utf-8")
    assert re.search("name another.* --force", _refused(folder, *VERBS[verb], f"@{name}"))


@pytest.mark.parametrize("verb", VERBS)
def test_it_is_replaced_where_that_was_asked_for(folder: Path, verb: str) -> None:
    """But never what is read."""
    thesis = folder / ("thesis.csv" if verb == "evaluate" else "thesis.txt")
    thesis.write_text("years of work", encoding="utf-8")
    command = [word.replace("@", f"{folder}/") for word in [*VERBS[verb], f"@{thesis.name}", "--force"]]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.exception
    assert thesis.stat().st_size
    assert b"years of work" not in thesis.read_bytes()
    assert "is read and would be replaced" in _refused(folder, *VERBS[verb], READ[verb], "--force")


def test_a_bundle_is_replaced_only_where_that_was_asked_for(folder: Path) -> None:
    """And a folder with files of one's own not even then."""
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("my own notes", encoding="utf-8")
    command = ["export", "--model", "package:none", "--collection", "@", "-o", "@mine"]
    assert "name another folder, or give --force" in _refused(folder, *command)
    _refused(folder, *command, "--force")


def test_nothing_replaces_something(folder: Path) -> None:
    """A log without a query, labels without a grade: yesterday's file stays."""
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "tea", "metadata": {"count": 2}}\n', encoding="utf-8")
    said = _refused(folder, "queries", "@log.jsonl", "-o", "@queries.jsonl", "--min-count", "9")
    assert "no row of 1 makes a query, so nothing was written" in said
    empty = tables.judgments_table([Judgment("q1", "d1", None, "judge", "j")])
    tables.write(empty, folder / "judged.parquet", tables.JUDGMENTS)
    (folder / "old.qrels").write_text("", encoding="utf-8")
    command = ["labels", "@judged.parquet", "--format", "trec", "-o", "@old.qrels"]
    assert "holds no grade" in _refused(folder, *command)


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_is_no_output_file(folder: Path, verb: str) -> None:
    """Nor is what lies below a file."""
    (folder / "mine").mkdir()
    assert "is no file" in _refused(folder, *VERBS[verb], "@mine")
    assert "is no folder" in _refused(folder, *VERBS[verb], "@run.trec/x")


@pytest.mark.parametrize("verb", ["rerank", "queries", "agree", "labels", "report"])
def test_what_a_verb_wrote_it_writes_again(folder: Path, verb: str) -> None:
    """The same command twice is no error, and an empty file may be filled."""
    arguments = [argument.replace("@", f"{folder}/") for argument in [*VERBS[verb], "@output"]]
    (folder / "output").touch()
    for _ in range(2):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.exception
    assert (folder / "output").stat().st_size


def test_a_run_under_another_name_is_somebody_elses(folder: Path) -> None:
    """The tag of its lines tells who wrote a run."""
    arguments = [*VERBS["rerank"], "@other.trec"]
    assert CliRunner().invoke(app, [each.replace("@", f"{folder}/") for each in arguments]).exit_code == 0
    assert "name another" in _refused(folder, *arguments, "--tag", "mine")


def test_a_changed_corpus_is_no_longer_relsearchs(tmp_path: Path) -> None:
    """A file that somebody went on writing is theirs."""
    write_corpus([Document("d1", {"text": "tea"})], tmp_path)
    assert is_made(tmp_path / "corpus.jsonl")
    with (tmp_path / "corpus.jsonl").open("a") as stream:
        stream.write('{"_id": "d2", "text": "mine"}\n')
    assert not is_made(tmp_path / "corpus.jsonl")
    with pytest.raises(DataError, match="not as this command writes it"):
        check_output(tmp_path / "corpus.jsonl", inputs=(), ours=is_made)


@pytest.mark.parametrize("name", ["new.csv", "new.PARQUET", "new.jsonl"])
def test_a_name_of_another_format_is_refused(folder: Path, name: str) -> None:
    """Who opens it would find something else than the name says."""
    of_run = ["rerank", "run.trec", "--bundle", "ready", "--collection", ".", "-o", name]
    for arguments in [of_run] if name == "new.PARQUET" else [of_run, ["grade", *of_run[1:2], *of_run[4:]]]:
        assert f"{name}: what is written is" in _refused(folder, *arguments)
    assert not (folder / name).exists()
