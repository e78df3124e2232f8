"""The layout of the project: packages, links and versions agree with each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import relsearch
import relsearch.exporters
import relsearch.index
from tests.conftest import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_of_the_tree_is_in_the_wheel() -> None:
    """A new folder that is not listed in pyproject.toml would be missing after pip install."""
    found = {"relsearch"}
    for init in (REPOSITORY / "relsearch").rglob("__init__.py"):
        found.add(".".join(init.parent.relative_to(REPOSITORY).parts))
    for folder in ("index", "exporters"):
        for init in (REPOSITORY / folder).rglob("__init__.py"):
            found.add(".".join(("relsearch", *init.parent.relative_to(REPOSITORY).parts)))
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == found


def test_index_and_exporters_live_at_the_top() -> None:
    """`relsearch.index` and `relsearch.exporters` are the top-level folders, whichever way they are reached."""
    for module, folder in ((relsearch.index, "index"), (relsearch.exporters, "exporters")):
        assert module.__file__ is not None
        assert Path(module.__file__).resolve().parent == REPOSITORY / folder


def test_the_extra_all_holds_every_other_extra() -> None:
    """`relsearch[all]` installs everything."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(everything.removeprefix("relsearch[").removesuffix("]").split(",")) == set(extras) - {"all"}


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
