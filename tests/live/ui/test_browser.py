"""The web app in Chromium: compare, grade by keyboard through kills, and run nothing that a document holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.ui.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
WIDTHS = (1280, 390)
_PENDING = "localStorage.getItem('relsearch-pending')"
_GRADES, _KILLS = 20, (7, 13)
# What Chromium says of a server that is being killed: which of them depends on how far a connection had come.
_NO_SERVER = re.compile(r"net::ERR_(CONNECTION_\w+|SOCKET_NOT_CONNECTED|EMPTY_RESPONSE)$")


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`relsearch ui` on an index of the collection."""
    judgments = str(folder / "judgments.parquet")
    arguments = ["--collection", str(folder), "--judgments", judgments, "--qrels", "human.qrels"]
    made = Server(arguments, tmp_path_factory.mktemp("served"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def tab(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of the app; fails where a script fails, or the page's policy had something to refuse."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=server.url)
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: None if _NO_SERVER.search(message.text) else said.append(message.text))
    yield page
    context.close()
    assert said == []


def test_a_query_is_compared(tab: Page) -> None:
    """Typed and sent; moved documents are joined by lines, and a document opens by key."""
    tab.goto("/")
    tab.keyboard.press("/")
    tab.keyboard.type("why does a cat purr")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".orders")
    both = tab.evaluate(
        "[...document.querySelectorAll('.left [data-doc]')].map((each) => each.dataset.doc)"
        ".filter((doc) => document.querySelector(`.right [data-doc='${doc}']`)).length"
    )
    assert both > 3
    assert tab.locator("svg.lines path").count() == both
    tab.locator(".right summary").first.focus()
    tab.keyboard.press("Enter")
    assert tab.locator(".right .body").first.is_visible()
    assert not tab.locator(".right .score").first.is_visible()
    tab.keyboard.press("s")
    assert tab.locator(".right .score").first.is_visible()
    assert tab.title().startswith("why does a cat purr")  # and no document has changed it
    assert tab.locator("main img, main script, main svg:not(.lines)").count() == 0


def test_twenty_grades_by_keyboard_outlive_two_kills(tab: Page, server: Server) -> None:
    """The server is killed right after a key: the grade is kept in the page and sent when it is back."""
    tab.goto("/grade")
    given: dict[str, str] = {}
    for number in range(_GRADES):
        pair = " 0 ".join(tab.locator(f".grades [name={name}]").input_value() for name in ("query", "doc"))
        given[pair] = str(number % 4)
        tab.keyboard.press(given[pair])
        if number in _KILLS:
            server.kill()
            server.start()
        _expect_graded(tab, number + 1)
    assert len(given) == _GRADES
    qrels = (server.folder / "human.qrels").read_text(encoding="utf-8")
    assert qrels == "".join(f"{pair} {grade}\n" for pair, grade in given.items())
    assert "After 20 grades" in tab.locator("aside").inner_text()
    tab.keyboard.press("u")
    _expect_graded(tab, _GRADES - 1)
    assert len((server.folder / "human.qrels").read_text(encoding="utf-8").splitlines()) == _GRADES - 1
    tab.keyboard.press("c")
    tab.keyboard.type("3 looks right")
    tab.keyboard.press("Escape")
    tab.keyboard.press("3")
    _expect_graded(tab, _GRADES)
    assert re.search(r'"comment": "3 looks right"', (server.folder / "human.qrels.ui" / "grades.jsonl").read_text())


def test_a_page_that_is_left_right_after_a_vote_takes_it_along(tab: Page, server: Server) -> None:
    """The server has the vote and the browser does not know: it sends it again, and nothing is said of it."""
    from playwright.sync_api import expect

    tab.goto("/blind?q=why+does+a+cat+purr")
    # The server's answer comes to nobody.
    lost = "const real = fetch; window.fetch = async (...sent) => { await real(...sent); throw TypeError() }"
    tab.evaluate(f"() => {{ {lost} }}")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#notice")).to_be_visible()
    assert tab.evaluate(_PENDING)
    tab.goto("/runs")
    while tab.evaluate(_PENDING):
        tab.wait_for_timeout(100)
    expect(tab).to_have_title("Runs – relsearch")
    expect(tab.locator(".error")).to_have_count(0)
    votes = (server.folder / "human.qrels.ui" / "preferences.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(votes) == 1


def test_scores_stand_on_one_line(tab: Page) -> None:
    """Beside titles of any length, at both widths."""
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 844})
        tab.goto("/?q=why+does+a+cat+purr")
        tab.keyboard.press("s")
        heights = tab.evaluate("[...document.querySelectorAll('.score')].map((each) => each.offsetHeight)")
        assert 0 < max(heights) < 2 * min(height for height in heights if height)


@pytest.mark.parametrize("path", ["/?q=why+does+a+cat+purr", "/blind?q=why+does+a+cat+purr", "/grade", "/runs"])
def test_axe_finds_nothing_and_phones_need_no_sideways_scrolling(tab: Page, path: str) -> None:
    """At both widths, in both colour schemes, documents unfolded."""
    from axe_playwright_python.sync_playwright import Axe

    schemes: tuple[Any, ...] = ("light", "dark")
    for width, scheme in zip(WIDTHS, schemes, strict=True):
        tab.set_viewport_size({"width": width, "height": 844})
        tab.emulate_media(color_scheme=scheme)
        tab.goto(path)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = Axe().run(tab).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def _expect_graded(tab: Page, count: int) -> None:
    from playwright.sync_api import expect

    expect(tab.locator("aside b").first).to_have_text(str(count), timeout=20_000)
