"""What people look at: how soon a report is written, how large it is, and what axe finds in it.

`python -m benchmarks.serving.ui [PART...]` measures the parts that are named, or all, and keeps the others' figures.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.folders import COLLECTIONS
from benchmarks.record import record, recorded
from benchmarks.serving.ui_app import compares, kills, screens
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.tables import candidates_table
from relsearch.data.collection import load_collection
from relsearch.exporters.trec import write_run
from relsearch.index.registry import build_searcher

Figures = Mapping[str, float | int]
_QUERIES, _DEPTH = 200, 100
# Three first stages that rank a collection differently, by their BM25 parameters.
_RUNS = {"bm25": (0.9, 0.4), "short": (1.2, 0.75), "flat": (0.3, 0.1)}
_SERIOUS = ("serious", "critical")


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    names = parser.parse_args().parts or list(PARTS)
    kept = recorded("ui") or {}
    figures = {field: kept[field] for _, fields in PARTS.values() for field in fields if field in kept}
    for name in names:
        figures |= PARTS[name][0]()
    print(record("ui", figures), figures)


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
        command = [sys.executable, "-c", "from relsearch.cli import main; main()", "report", str(folder / "qrels.tsv")]
        started, spent = time.perf_counter(), _children_cpu_s()
        subprocess.run([*command, *runs, *options], check=True)
        seconds, cpu_seconds = time.perf_counter() - started, _children_cpu_s() - spent
        return {
            "report_s": round(seconds, 1),
            "report_cpu_s": round(cpu_seconds, 1),
            "report_mb": round(page.stat().st_size / 1e6, 2),
            "axe_serious": sum(_serious(page, width, scheme) for width in (390, 1280) for scheme in ("light", "dark")),
        }


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


def _serious(page: Path, width: int, scheme: str) -> int:
    """Count what axe calls serious or critical in a page with all its parts unfolded."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
        tab.goto(page.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = Axe().run(tab).response["violations"]
        browser.close()
    return sum(each["impact"] in _SERIOUS for each in found)


# What each part measures, and the figures that it records.
PARTS: Mapping[str, tuple[Callable[[], Figures], tuple[str, ...]]] = {
    "report": (report, ("report_s", "report_cpu_s", "report_mb", "axe_serious")),
    "screens": (screens, ("first_screen_s", "axe_serious_app")),
    "compares": (compares, ("compare_p50_ms", "compare_p95_ms")),
    "kills": (kills, ("grades", "kills", "grades_lost")),
}


if __name__ == "__main__":
    main()
