"""The README is true: its quick start runs, its tables are those of the result files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.rerankers.own_collections import STEPS, own_domain_config
from relsearch.core.settings.load import load_config
from tests.conftest import REPOSITORY
from tests.documentation import PAGES, all_blocks

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_quick_start_runs_as_printed(tmp_path: Path) -> None:
    """Whoever pastes the quick start gets what its query asks for, in at most eight lines of code."""
    found = re.search(r"<!-- quickstart.*?```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    assert len(found.group(1).splitlines()) <= 8
    command = [sys.executable, "-W", "error", "-c", found.group(1)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[2].endswith("A cat purrs when it is calm.")


def test_the_recipe_is_what_the_benchmark_trains_with(tmp_path: Path) -> None:
    """The configuration beside the table of a collection's own labels."""
    [block] = [each for each in all_blocks("config") if each.page == "rerankers.md"]
    path = tmp_path / "relsearch.toml"
    path.write_text(block.text, encoding="utf-8")
    measured = own_domain_config("vaswani", tmp_path, steps=STEPS).train
    assert load_config(path).train.model_copy(update={"encoder": measured.encoder}) == measured


def test_it_is_no_longer_than_a_stranger_reads() -> None:
    """Detail stands in docs/."""
    assert len(README.splitlines()) <= 100


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_exist(target: str) -> None:
    """`make demo` and `make test` stand in the README and in the Makefile."""
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_resolves(page: Path) -> None:
    """A link's target, and a path in the text that looks like a file of the project, is one."""
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:relsearch|index|exporters|benchmarks|docker)/[\w./-]+)`", text):
        assert (REPOSITORY / path).exists(), path
    for path in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / path).exists(), path
