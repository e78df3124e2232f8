"""The layout of the project: packages, links and versions agree with each other."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import tomllib
import venv
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import relsearch
import relsearch.exporters
import relsearch.index
from tests.conftest import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def test_index_and_exporters_live_at_the_top() -> None:
    """`relsearch.index` and `relsearch.exporters` are the top-level folders, whichever way they are reached."""
    for module, folder in ((relsearch.index, "index"), (relsearch.exporters, "exporters")):
        assert module.__file__ is not None
        assert Path(module.__file__).resolve().parent == REPOSITORY / folder


@pytest.mark.slow
def test_a_checkout_without_links_installs_and_lints(tmp_path: Path) -> None:
    """Git leaves a file in place of each link; after `pip install -e .` all is importable and checked."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git repository: nothing to clone")
    clone, python = tmp_path / "clone", tmp_path / "venv" / "bin" / "python"
    subprocess.run(["git", "clone", "-q", "-c", "core.symlinks=false", str(REPOSITORY), str(clone)], check=True)
    assert (clone / "relsearch" / "index").is_file()
    venv.create(tmp_path / "venv")
    environment = {
        **os.environ,
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "MYPY_CACHE_DIR": str(REPOSITORY / ".mypy_cache"),  # else mypy reads all libraries again
    }  # pip and the tools, but not this checkout

    def run(*arguments: str) -> str:
        command = [str(python), *arguments]
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-e", ".")
    files = run("-c", "import relsearch.index as a, relsearch.exporters as b; print(a.__file__, b.__file__)").split()
    assert all(Path(file).is_relative_to(clone) for file in files)
    assert "rerank" in run("-c", "from relsearch.cli import main; main()", "--help")
    run("-m", "ruff", "check", "-q", ".")
    run("-m", "mypy", "-m", "relsearch.index.engine.http", "-m", "relsearch.exporters.trec")
    run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert subprocess.check_output(["git", "status", "--short"], cwd=clone, text=True) == ""


def test_the_extra_all_holds_every_other_extra() -> None:
    """`relsearch[all]` installs everything."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    alone = {"all", "export-optimum"}  # which needs transformers 4, where the others need 5
    assert set(everything.removeprefix("relsearch[").removesuffix("]").split(",")) == set(extras) - alone


def test_the_lock_satisfies_the_project() -> None:
    """Every requirement of every extra and of the development groups has a version in pylock.toml; else `make lock`."""
    lock = tomllib.loads((REPOSITORY / "pylock.toml").read_text(encoding="utf-8"))
    versions = {package["name"]: package["version"] for package in lock["packages"] if "version" in package}
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    # Not in `all`: an environment of its own. torch comes by itself, without CUDA where the machine has such a wheel.
    extras = [each for name, each in project["optional-dependencies"].items() if name != "export-optimum"]
    lists = [project["dependencies"], *extras, *groups.values()]
    asked = [Requirement(each) for each in chain(*lists) if isinstance(each, str)]
    wanted = [
        each
        for each in asked
        if each.name not in ("relsearch", "torch") and (not each.marker or each.marker.evaluate())
    ]
    unmet = {str(each) for each in wanted if versions.get(canonicalize_name(each.name), "0") not in each.specifier}
    assert unmet == set()


def test_the_changelog_knows_this_version() -> None:
    """Each release says what is in it."""
    assert f"## {relsearch.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_file_is_too_long_to_read() -> None:
    """A module does one thing: none has more than 300 lines."""
    files = [path for folder in ("relsearch", "index", "exporters", "benchmarks") for path in _sources(folder)]
    assert len(files) > 50
    assert {str(path): lines for path in files if (lines := path.read_text("utf-8").count("\n")) > 300} == {}


def _sources(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).rglob("*.py"))
