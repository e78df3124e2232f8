"""The documentation is true: every shell line, TOML block and Python block of README, docs/ and `--help` is run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from typer.main import get_command

from relsearch.cli import app
from relsearch.cli.help import PANELS, Verb
from relsearch.core.settings.load import load_config
from relsearch.live.gateway.config import load_gateway_config
from relsearch.measure.agreement import Agreement
from relsearch.rerank.card import CARD
from tests.conftest import REPOSITORY
from tests.documentation import LANGUAGES, PAGES, Block, all_blocks, blocks
from tests.index.conftest import elasticsearch_url
from tests.reader import ENGINE, shell, write_files
from tests.tiny_models import save_tiny_bert

__all__ = ["elasticsearch_url"]

VERBS: dict[str, Verb] = get_command(app).commands  # type: ignore[attr-defined]
EXAMPLES = [line for names in PANELS.values() for name in names for line in VERBS[name].examples]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
# What Python blocks print, where the page shows it.
PRINTED = {
    block: after.text
    for page in PAGES
    for block, after in pairwise(blocks(page))
    if block.kind == "python" and after.language == "text" and after.line == block.end + 2
}
RUN_FOLDER = "runs/relsearch"  # which the stages make
# The order in which the stages can run, each with what it needs done.
STAGES = ("collect", "index", "pool", "tune", "judge", "synthesize", "augment", "train", "optimize", "export", "run")
# A fresh engine's licence refuses them; tests/exporters/test_elastic.py and test_opensearch.py run them.
LICENSED = ("relsearch attach", "relsearch detach")
TINY = """
[collection]
source = "my-collection"
[pool]
depth = 8
[encoder]
model = "{bert}"
[judge]
family = "encoder"
base = "{bert}"
max_document_tokens = 32
[tune]
layers = 1
rank = 2
evaluations = 1
[label]
judge = "tuned"
depth = 2
[synthesize]
base = "{llama}"
documents = 6
max_query_tokens = 8
[augment]
policies = ["all"]
force = true
[train]
encoder = {{ model = "{encoder}" }}
dimension = 8
max_length = 64
max_steps = 4
evaluations = 1
[optimize]
rounds = 1
trials = 1
[export]
force = true
quality_gate = "off"
[evaluate]
resamples = 200
"""


def kind_of(example: str) -> str:
    """What an example of `--help` needs, as the markers of the documentation say it."""
    words = shlex.split(example)
    if words[1] == "demo":  # tests/pipeline/demo/test_demo.py runs it with a tiny model
        return "elsewhere"
    if f"http://{ENGINE}" in example and "--print" not in words:
        return "engine"
    return "stages" if words[1] in STAGES or RUN_FOLDER in words else "files"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_how_it_is_tested(page: Path) -> None:
    """A marker before the fence, and the fence's language; only plain text, such as a drawing, needs none."""
    for block in blocks(page):
        where = f"{block.page}:{block.line}"
        assert block.language, f"{where}: name a language; plain text is ```text"
        kind, _, test = block.kind.partition(" ")
        if kind == "elsewhere":
            assert block.page in (REPOSITORY / test).read_text(encoding="utf-8"), f"{where}: {test} does not read it"
        elif block.language != "text":
            assert block.kind in LANGUAGES, f"{where}: no marker; see tests/documentation.py"
            assert LANGUAGES[block.kind] == block.language, where


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in all_blocks("files")}))
def test_shell_lines_work_beside_the_readers_files(page: str, tmp_path: Path) -> None:
    """As they are pasted, in their order, in a folder where only the page's reader's files are."""
    write_files(tmp_path, page)
    with shell(tmp_path) as opened:
        for line in (line for block in all_blocks("files") if block.page == page for line in block.commands):
            opened.run(line)


@pytest.mark.slow
def test_examples_of_the_help_work_beside_the_readers_files(tmp_path: Path, tiny_bundles: dict[str, Path]) -> None:
    """Those that need no engine and train nothing."""
    write_files(tmp_path)
    (tmp_path / "cross-encoder").symlink_to(tiny_bundles["fp32"])
    with shell(tmp_path) as opened:
        opened.run("relsearch grade bm25.trec --collection my-collection -o judgments.parquet --depth 2")
        opened.run("relsearch config --gateway > gateway.toml")
        for line in (line for line in EXAMPLES if kind_of(line) == "files"):
            opened.run(line)


@pytest.mark.live
@pytest.mark.slow
def test_lines_that_name_an_engine_work_with_a_real_one(
    tmp_path: Path, tiny_bundles: dict[str, Path], elasticsearch_url: str
) -> None:
    """Those of the pages, in their order, then the examples of the help."""
    write_files(tmp_path)
    for name in ("queries.jsonl", "corpus.jsonl", "qrels.tsv", "first_stage.trec"):  # queries and fetch write them
        (tmp_path / "my-collection" / name).unlink()
    (tmp_path / "cross-encoder").symlink_to(tiny_bundles["fp32"])
    with shell(tmp_path, addresses={ENGINE: elasticsearch_url.removeprefix("http://")}) as opened:
        opened.run("relsearch serve --bundle ready")
        opened.run("relsearch config --gateway > gateway.toml")
        lines = [line for block in all_blocks("engine") for line in block.commands]
        lines += [line for line in EXAMPLES if kind_of(line) == "engine" and not line.startswith(LICENSED)]
        for line in sorted(lines, key=lambda line: "--all" in line):  # last: other lines would read all that it fetches
            opened.run(line)


@pytest.mark.slow
def test_lines_that_train_work_with_tiny_models(
    tmp_path: Path, tiny_bert: Path, tiny_llama: Path, tiny_reranker: Path
) -> None:
    """Every stage in its order, then the pages; a hub's models are tiny ones."""
    write_files(tmp_path)
    # Vectors that are less alike than tiny_bert's, whose MaxSims differ by little more than rounding.
    words = (tmp_path / "my-collection" / "corpus.jsonl").read_text("utf-8")
    encoder = save_tiny_bert(tmp_path / "encoder", [words], spread=0.1)
    settings = TINY.format(encoder=encoder, bert=tiny_bert, llama=tiny_llama)
    (tmp_path / "relsearch.toml").write_text(settings, encoding="utf-8")
    foreign = tmp_path / "models" / "ms-marco-MiniLM-L6-v2"
    shutil.copytree(tiny_reranker, foreign, ignore=shutil.ignore_patterns(CARD))  # by which relsearch knows its own
    save_tiny_bert(tmp_path / "models" / "multilingual-e5-small", ["the sea"], spread=0.3)
    examples = [line for name in STAGES for line in VERBS[name].examples]
    examples += [line for line in EXAMPLES if RUN_FOLDER in shlex.split(line)]
    with shell(tmp_path, variables={"RELSEARCH_MODELS": str(tmp_path / "models")}) as opened:
        for line in (*examples, *(line for block in all_blocks("stages") for line in block.commands)):
            opened.run(line)


@pytest.mark.parametrize("block", all_blocks("config", "gateway"), ids=lambda block: f"{block.page}:{block.line}")
def test_every_configuration_loads(block: Block, tmp_path: Path) -> None:
    """Every key is known."""
    path = tmp_path / f"{block.kind}.toml"
    path.write_text(block.text, encoding="utf-8")
    load_config(path) if block.kind == "config" else load_gateway_config(path)


@pytest.mark.slow
@pytest.mark.parametrize("block", all_blocks("python"), ids=lambda block: f"{block.page}:{block.line}")
def test_every_python_block_runs(block: Block, tmp_path: Path) -> None:
    """In a folder of its own, warnings being errors; it prints what a block of text right after it shows."""
    command = [sys.executable, "-W", "error", "-c", block.text]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if block in PRINTED:
        assert done.stdout == PRINTED[block]


def test_the_glossary_has_the_figures_of_agreement() -> None:
    """Each name that `relsearch agree` prints."""
    glossary = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    figures = [each.name for each in fields(Agreement) if str(each.type).startswith("Figure")]
    assert len(figures) > 5
    assert [name for name in figures if f"`{name}`" not in glossary] == []


def test_targets_and_packages_exist() -> None:
    """What `make` and `pip` are asked for; extras are those of pyproject.toml, pinned packages are installed so."""
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for block in all_blocks("make"):
        for line in block.commands:
            assert line.split()[0] == "make"
            assert line.split()[1] in targets
    lines = [line for block in all_blocks("pip") for line in block.commands]
    lines += re.findall(r"`(pip install [^`]+)`", "\n".join(page.read_text(encoding="utf-8") for page in PAGES))
    lines = [line for line in lines if re.search(r"relsearch|==|'\.\[", line)]
    assert len(lines) > 5
    for line in lines:
        for word in (word for word in shlex.split(line)[2:] if not word.startswith("-")):
            name, extras, pinned = cast(
                tuple[str, str, str],
                re.fullmatch(r"([\w-]+|\.)(?:\[([\w,-]+)\])?(?:==([\d.]+))?", word).groups(""),  # type: ignore[union-attr]
            )
            assert set(filter(None, extras.split(","))) <= PYPROJECT["project"]["optional-dependencies"].keys(), line
            assert not pinned or metadata.version(name) == pinned


@pytest.mark.parametrize("block", all_blocks("pip"), ids=lambda block: f"{block.page}:{block.line}")
def test_what_is_installed_first_is_the_clone(block: Block) -> None:
    """No package index has relsearch; a line that asks one for it fails for whoever pastes it."""
    assert all(line.startswith("pip install '.[") for line in block.commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_who_asks_a_server_that_was_just_started_waits_for_it(page: Path) -> None:
    """The first curl after a line that ends in `&`: pasted at once, it comes before the server listens."""
    for block in blocks(page):
        if LANGUAGES.get(block.kind) == "sh":
            for line, after in pairwise(block.commands):
                if line.endswith("&") and after.startswith("curl "):
                    assert {"--retry", "--retry-connrefused"} <= set(shlex.split(after)), f"{block.page}: {after}"
