"""Every measurement stands in a table, and its module names the page."""

from __future__ import annotations

import ast
import re

import pytest

from benchmarks.record import RESULTS
from benchmarks.report.page import PAGES
from tests.conftest import REPOSITORY

# Compared by `make bench-quick`, not shown; shown in docs/serving.md by a function of its own.
ELSEWHERE = {"quick", "compat"}


def _recording() -> list[str]:
    """The modules that record figures, but for the quick ones."""
    files = {
        path.relative_to(REPOSITORY): path.read_text("utf-8") for path in (REPOSITORY / "benchmarks").rglob("*.py")
    }
    names = [
        str(path.with_suffix("")).replace("/", ".") for path, text in files.items() if re.search(r"\brecord\(", text)
    ]
    return sorted(set(names) - {"benchmarks.record", "benchmarks.quick"})


def test_every_result_has_a_table() -> None:
    """A figure that nobody sees is not measured."""
    shown = {name for sections in PAGES.values() for parts in sections.values() for name in parts}
    assert {path.stem for path in RESULTS.glob("*.json")} <= shown | ELSEWHERE


@pytest.mark.parametrize("module", _recording())
def test_a_module_names_the_page_that_names_it(module: str) -> None:
    """Its docstring says which page has its table, and that page says that this module measured it."""
    path = REPOSITORY / f"{module.replace('.', '/')}.py"
    pages = re.findall(r"\b(?:benchmarks|docs)/\w+\.md", ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    command = f"python -m {module.removesuffix('.__main__')}"
    assert any(command in (REPOSITORY / page).read_text("utf-8") for page in pages)
