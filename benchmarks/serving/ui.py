"""What people look at: how soon reports and pages come, how large a report is, what axe finds, what kills lose.

`python -m benchmarks.serving.ui [--only PART...]` measures some parts, or all, and keeps the others' figures. Times are
wall-clock, of a process that has just started. Needs RELSEARCH_COLLECTIONS and Chromium. Its table is in
benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS
from benchmarks.record import record, recorded
from benchmarks.serving.ui_kills import grades_lost
from benchmarks.serving.ui_process import chromium, running
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.tables import candidates_table
from relsearch.data.collection import load_collection
from relsearch.exporters.trec import write_run
from relsearch.index.registry import build_searcher

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Figures = Mapping[str, float | int]
_RELSEARCH = (sys.executable, "-c", "from relsearch.cli import main; main()")
_QUERIES, _DEPTH = 200, 100
_STARTS, _COMPARES = 3, 60
_WIDTHS, _SCHEMES = (390, 1280), ("light", "dark")
# Three first stages that rank a collection differently, by their BM25 parameters.
_RUNS = {"bm25": (0.9, 0.4), "short": (1.2, 0.75), "flat": (0.3, 0.1)}


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    names = parser.parse_args().only
    kept = recorded("ui") or {}
    figures = {field: kept[field] for _, fields in PARTS.values() for field in fields if field in kept}
    for name in names:
        figures |= PARTS[name][0]()
    print(record("ui", figures, seed=SEED), figures)


def report() -> Figures:
    """Return the seconds (of the clock and of the processor) and megabytes of a report on 200 queries and three runs.

    And how many serious findings axe has in it, on a phone and a desk, light and dark.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collection = COLLECTIONS / "cranfield"
        _write_runs(collection, folder)
        page = folder / "report.html"
        runs = [str(folder / f"{run}.trec") for run in _RUNS]
        options = ["--scale", "0-4:1", "--collection", str(collection), "-o", str(page)]
        started, spent = time.perf_counter(), _children_cpu_s()
        subprocess.run([*_RELSEARCH, "report", str(folder / "qrels.tsv"), *runs, *options], check=True)
        seconds, cpu_seconds = time.perf_counter() - started, _children_cpu_s() - spent
        with chromium() as browser:
            serious = _axe_serious(browser, [page.as_uri()])
        return {
            "report_s": round(seconds, 1),
            "report_cpu_s": round(cpu_seconds, 1),
            "report_mb": round(page.stat().st_size / 1e6, 2),
            "axe_serious": serious,
        }


def screens() -> Figures:
    """Return the seconds to the first screen, and how many serious findings axe has in the app's pages."""
    query = urlencode({"q": "define a set of named constants"})
    with chromium() as browser:
        starts = [_first_screen_s(browser) for _ in range(_STARTS)]
        with _demo() as url:
            pages = [url + path for path in ("/", f"/?{query}", f"/blind?{query}", "/grade", "/runs", "/absent")]
            serious = _axe_serious(browser, pages)
    return {"first_screen_s": round(statistics.median(starts), 2), "axe_serious_app": serious}


def compares() -> Figures:
    """Return the milliseconds of whole pages, engine against ready, of queries that nobody asked before."""
    queries = [query.text for query in load_collection("demo").queries()]
    random.Random(SEED).shuffle(queries)  # noqa: S311 - a seeded order, not a secret
    times = []
    with _demo() as url:
        for query in queries[:_COMPARES]:
            started = time.monotonic()
            with urlopen(f"{url}/?{urlencode({'q': query})}") as answer:  # noqa: S310 - this machine
                answer.read()
            times.append(1000 * (time.monotonic() - started))
    p95 = statistics.quantiles(times, n=20)[-1]
    return {"compare_p50_ms": round(statistics.median(times)), "compare_p95_ms": round(p95)}


def _children_cpu_s() -> float:
    """Processor seconds of the processes that have ended, which another load on the machine does not change much."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write_runs(collection: Path, folder: Path) -> None:
    source = load_collection(collection)
    labels = source.qrels()
    labelled = {label.query_id for label in labels}
    queries = [query for query in source.queries() if query.query_id in labelled][:_QUERIES]
    kept = {query.query_id for query in queries}
    lines = (f"{label.query_id} 0 {label.doc_id} {label.grade}\n" for label in labels if label.query_id in kept)
    (folder / "qrels.tsv").write_text("".join(lines), encoding="utf-8")
    for name, (k1, b) in _RUNS.items():
        index = IndexConfig(k1=k1, b=b)
        where = folder / f"index-{name}"
        searcher = build_searcher("embedded", source.documents(), where, index=index, encoder=EncoderConfig())
        write_run(candidates_table(searcher.search(queries, _DEPTH)), folder / f"{name}.trec", tag=name)


def _first_screen_s(browser: Browser) -> float:
    """Seconds from the command to the first page on the screen, with its example queries."""
    started = time.monotonic()
    with _demo() as url:
        page = browser.new_page()
        page.goto(url)
        page.locator(".chips a").first.wait_for()
        seconds = time.monotonic() - started
        page.close()
    return seconds


def _axe_serious(browser: Browser, urls: Sequence[str]) -> int:
    """How many rules axe finds broken seriously or critically, over all widths and colour schemes, details open."""
    from axe_playwright_python.sync_playwright import Axe

    found = 0
    for width in _WIDTHS:
        for scheme in _SCHEMES:
            page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
            for url in urls:
                page.goto(url)
                page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
                violations = Axe().run(page).response["violations"]
                found += sum(each["impact"] in ("serious", "critical") for each in violations)
            page.close()
    return found


@contextmanager
def _demo() -> Iterator[str]:
    """Yield the URL of `relsearch ui --demo` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, running(["--demo"], Path(folder)) as app:
        yield app.url


# What each part measures, and the figures that it records.
PARTS: Mapping[str, tuple[Callable[[], Figures], tuple[str, ...]]] = {
    "report": (report, ("report_s", "report_cpu_s", "report_mb", "axe_serious")),
    "screens": (screens, ("first_screen_s", "axe_serious_app")),
    "compares": (compares, ("compare_p50_ms", "compare_p95_ms")),
    "grades": (grades_lost, ("grades", "kills", "grades_lost")),
}


if __name__ == "__main__":
    main()
