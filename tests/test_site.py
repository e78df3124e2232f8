"""The documentation's site: built strictly, whole, and without anything from other hosts."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import relsearch
from tests.conftest import REPOSITORY
from tests.documentation import PAGES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a link that leads nowhere, or a page outside the navigation, ends the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    """The README is the first page."""
    for page in PAGES[1:]:
        path = page.relative_to(REPOSITORY / "docs").with_suffix("")
        assert (site / path / "index.html").is_file()
    assert 'id="two-commands"' in (site / "index.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    """No script, style, font or picture; links may lead anywhere."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe|source)[^>]+src="(?:https?:)?//[^"]*', text), page
        assert not re.findall(r'<link(?![^>]+rel="canonical")[^>]+href="(?:https?:)?//[^"]*', text), page


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(site: Path, browser: Any, width: int) -> None:
    """Pages need no sideways scrolling; on a desktop the commands of a page do not either, and diagrams are legible."""
    tab = browser.new_page(viewport={"width": width, "height": 844})
    for page in ("index.html", "cluster/index.html", "benchmarks/growth/index.html"):
        tab.goto((site / page).as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == width, page
        wide = (
            "[...document.querySelectorAll('pre > code')].filter((each) => each.scrollWidth > each.clientWidth).length"
        )
        assert width == 390 or not tab.evaluate(wide), page
        diagrams = "[...document.querySelectorAll('article img[src$=\".svg\"]')].map((each) => each.clientWidth)"
        assert all(each >= 500 for each in tab.evaluate(diagrams)), page
    tab.close()


def test_the_reference_has_every_public_name(site: Path) -> None:
    """With its signature and docstring."""
    page = (site / "api" / "index.html").read_text(encoding="utf-8")
    assert {name for name in relsearch.__all__ if f'id="relsearch.{name}"' not in page} == set()
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())
    for name in relsearch.__all__:
        first = str(getattr(relsearch, name).__doc__).partition(".")[0]
        assert " ".join(first.replace("`", "").split()) in text, name
    assert "top_k: int | None = None" in text
