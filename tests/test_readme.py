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

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_quick_start_runs_as_printed(tmp_path: Path) -> None:
    """Whoever pastes the quick start gets what its query asks for, in at most eight lines of code."""
    found = re.search(r"<!-- quickstart.*?```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    assert len(found.group(1).splitlines()) <= 8
    command = [sys.executable, "-W", "error", "-c", found.group(1)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Candidate(query_id='1'") == 3


def test_every_configuration_is_valid(tmp_path: Path) -> None:
    """Each relsearch.toml in the README loads, and the recipe is what the benchmark trains with."""
    found = [load_config(_written(tmp_path, block)) for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)]
    assert len(found) == 2
    measured = own_domain_config("vaswani", tmp_path, steps=STEPS).train
    assert found[1].train.model_copy(update={"encoder": measured.encoder}) == measured


def _written(folder: Path, block: str) -> Path:
    path = folder / "relsearch.toml"
    path.write_text(block, encoding="utf-8")
    return path


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_exist(target: str) -> None:
    """`make demo` and `make test` stand in the README and in the Makefile."""
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_link_to_a_file_resolves() -> None:
    """A path in the README that looks like a file of the project is one."""
    for path in re.findall(r"`((?:relsearch|index|exporters|benchmarks|docker)/[\w./-]+)`", README):
        assert (REPOSITORY / path).exists(), path
