"""The web app on the demo: its first screen, comparing, grades through kills, accessibility.

A part of benchmarks.serving.ui. Times are wall-clock, of a process that has just started.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import urlopen

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from benchmarks.serving.app_process import App, chromium, running
from relsearch.data.collection import load_collection

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SEED = 7
STARTS, COMPARES, KILLS, GRADES = 3, 60, 20, 40
_DOCUMENTS = 400  # of the collection that is graded: a small one starts again quickly
_LONGEST_WAIT_MS = 120_000
_WIDTHS = (1280, 390)


def screens() -> Mapping[str, float | int]:
    """Return the seconds to the first screen, and how many serious findings axe has in the app's pages."""
    with chromium() as browser:
        starts = [_first_screen_s(browser) for _ in range(STARTS)]
        with _demo() as shown:
            serious = _axe_serious(browser, shown)
    return {"first_screen_s": round(statistics.median(starts), 2), "axe_serious_app": serious}


def compares() -> Mapping[str, float | int]:
    """Return the milliseconds of a compare page, in the median and at the 95th percentile."""
    with _demo() as shown:
        times = _compare_ms(shown)
    p95 = statistics.quantiles(times, n=20)[-1]
    return {"compare_p50_ms": round(statistics.median(times)), "compare_p95_ms": round(p95)}


def kills() -> Mapping[str, float | int]:
    """Return how many grades were given and kills made, and how many grades were lost."""
    with chromium() as browser:
        return {"grades": GRADES, "kills": KILLS, "grades_lost": _grades_lost(browser)}


@contextmanager
def _demo() -> Iterator[App]:
    with tempfile.TemporaryDirectory() as name, running(["--demo"], Path(name)) as app:
        yield app


def _first_screen_s(browser: Browser) -> float:
    """Seconds from the command to the first page on the screen, with its example queries."""
    started = time.monotonic()
    with _demo() as app:
        page = browser.new_page()
        page.goto(app.url)
        page.locator(".chips a").first.wait_for()
        seconds = time.monotonic() - started
        page.close()
    return seconds


def _compare_ms(app: App) -> list[float]:
    """Milliseconds of whole pages, engine against ready, of queries that nobody asked before."""
    queries = [query.text for query in load_collection("demo").queries()]
    random.Random(SEED).shuffle(queries)  # noqa: S311
    times = []
    for query in queries[:COMPARES]:
        started = time.monotonic()
        with urlopen(f"{app.url}/?{urlencode({'q': query})}") as answer:  # noqa: S310
            answer.read()
        times.append(1000 * (time.monotonic() - started))
    return times


def _axe_serious(browser: Browser, app: App) -> int:
    """How many rules of axe-core are broken seriously or critically, over all pages, both widths and colour schemes."""
    found = 0
    query = urlencode({"q": "define a set of named constants"})
    for width in _WIDTHS:
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            for path in ("/", f"/?{query}", f"/blind?{query}", "/grade", "/runs", "/absent"):
                page.goto(app.url + path)
                violations = Axe().run(page).response["violations"]
                found += sum(each["impact"] in ("serious", "critical") for each in violations)
            page.close()
    return found


def _grades_lost(browser: Browser) -> int:
    """Grade by keyboard, killing the server within 30 ms of a key; return how many grades are not in the qrels."""
    draw = random.Random(SEED)  # noqa: S311
    killed = set(draw.sample(range(GRADES), KILLS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_collection(folder / "part")
        given: dict[str, int] = {}
        with running(["--collection", "part", "--qrels", "human.qrels"], folder) as app:
            page = browser.new_page()
            page.goto(f"{app.url}/grade")
            for number in range(GRADES):
                page.locator(".grades").wait_for(timeout=_LONGEST_WAIT_MS)
                query, doc = (page.locator(f".grades [name={field}]").input_value() for field in ("query", "doc"))
                given[f"{query} 0 {doc}"] = grade = draw.randrange(4)
                page.keyboard.press(str(grade))
                if number in killed:
                    time.sleep(draw.uniform(0, 0.03))
                    app.kill()
                    app.start()
                expect(page.locator("aside b").first).to_have_text(str(number + 1), timeout=_LONGEST_WAIT_MS)
            page.close()
        kept = (folder / "human.qrels").read_text(encoding="utf-8").splitlines()
    return len({f"{pair} {grade}" for pair, grade in given.items()} - set(kept)) + abs(GRADES - len(kept))


def _write_collection(folder: Path) -> None:
    folder.mkdir()
    demo = load_collection("demo")
    documents = [each for place, each in enumerate(demo.documents()) if place % 13 == 0][:_DOCUMENTS]
    rows = [{"_id": each.doc_id, **each.fields} for each in documents]
    _write(folder / "corpus.jsonl", rows)
    _write(folder / "queries.jsonl", [{"_id": each.query_id, "text": each.text} for each in demo.queries()[:40]])


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
