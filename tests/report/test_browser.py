"""The page in a real browser: nothing is fetched or refused, axe finds nothing, lists open by mouse and by key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.conftest import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(browser: Browser, page: Path) -> Any:
    """The page, opened; fails on any message in its console and on any request but the page's own."""
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.append(request.url))
    tab.goto(page.as_uri())
    yield tab
    assert said == [page.as_uri()]
    assert tab.title() == "bm25, worse and better: relsearch report"
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(shown: Page, scheme: Any) -> None:
    """On a phone, in both colour schemes, with everything unfolded and with the lists open."""
    from axe_playwright_python.sync_playwright import Axe

    shown.emulate_media(color_scheme=scheme)
    shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert Axe().run(shown).response["violations"] == []
    shown.locator("button.query:visible").first.click()
    assert Axe().run(shown).response["violations"] == []


def test_a_phone_needs_no_sideways_scrolling(shown: Page) -> None:
    """At 390 px."""
    assert shown.evaluate("document.documentElement.scrollWidth") == 390


def test_a_table_that_is_wider_than_a_phone_shows_that_it_scrolls(shown: Page) -> None:
    """Its edges are shaded; the paper that scrolls along covers the shade where nothing lies beyond."""
    table = shown.locator(".scroll").first
    assert table.evaluate("(each) => each.scrollWidth > each.clientWidth")
    layers = table.evaluate("(each) => getComputedStyle(each).backgroundAttachment")
    assert layers == "local, local, scroll, scroll"


def test_the_keyboard_opens_both_lists(shown: Page) -> None:
    """Arrows walk through the bars, Enter opens, Escape closes; texts are shown as they are."""
    slider = shown.get_by_role("slider", name="Query in the chart")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("Enter")
    dialog = shown.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() in HOSTILE.values()
    assert [len(each.locator("li").all()) for each in dialog.locator("ol").all()] == [4, 4]
    first = dialog.locator("ol").nth(1).locator("li").first.inner_text()
    assert "▲ from 4" in first
    assert "human 3" in first
    assert "judge 0" in first
    shown.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_a_click_on_a_bar_opens_its_query(shown: Page) -> None:
    """The last bar is the last query of the order by gain."""
    shown.locator("svg.gains:visible").click(position={"x": 350, "y": 10})
    assert shown.get_by_role("dialog").locator("h2").inner_text() == max(HOSTILE.values())


def test_another_run_can_be_compared(shown: Page) -> None:
    """Its own bars take the place of the first ones."""
    shown.get_by_label("Compare bm25 with").select_option("worse")
    assert shown.locator(".compared:visible").get_attribute("data-run") == "worse"


def test_a_heading_sorts_its_table(shown: Page) -> None:
    """By numbers, the greatest first, then the other way round."""
    table = shown.locator("table.sortable").first
    heading = table.get_by_role("button", name="mean")
    for order in ("descending", "ascending"):
        heading.click()
        means = [float(text) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert means == sorted(means, reverse=order == "descending")
        assert table.locator("th:nth-child(2)").first.get_attribute("aria-sort") == order
