"""Every measurement stands in a table, and the module that made it names the page."""

from __future__ import annotations

import ast
import json
import re

import pytest

from benchmarks.record import RESULTS
from benchmarks.report.page import PAGES
from tests.conftest import REPOSITORY

# Compared by `make bench-quick`, not shown; shown in docs/serving.md by a function of its own.
ELSEWHERE = {"quick", "compat"}
MODULES = sorted(
    {
        json.loads(path.read_text("utf-8"))["command"].split()[2].removesuffix(".__main__")
        for path in RESULTS.glob("*.json")
        if path.stem != "quick"
    }
)


def test_every_result_has_a_table() -> None:
    """A figure that nobody sees is not measured."""
    shown = {name for sections in PAGES.values() for parts in sections.values() for name in parts}
    assert {path.stem for path in RESULTS.glob("*.json")} <= shown | ELSEWHERE


@pytest.mark.parametrize("module", MODULES)
def test_a_module_names_the_page_that_names_it(module: str) -> None:
    """Its docstring says which page has its table, and that page says that this module measured it."""
    place = REPOSITORY / module.replace(".", "/")
    path = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
    pages = re.findall(r"\b(?:benchmarks|docs)/\w+\.md", ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    assert any(f"python -m {module}" in (REPOSITORY / page).read_text("utf-8") for page in pages)
