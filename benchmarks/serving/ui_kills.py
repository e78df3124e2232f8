"""How many grades the web app loses when its server is killed in mid-grade; a part of benchmarks.serving.ui."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.deals import SEED
from benchmarks.serving.ui_process import chromium, running
from relsearch.data.collection import load_collection

_GRADES, _KILLS = 40, 20
_LATEST_S = 0.03  # a kill comes within this time after a key
_DOCUMENTS, _STEP, _QUERIES = 400, 13, 40  # every 13th of the demo: a small collection starts again quickly
_LONGEST_WAIT_MS = 120_000


def grades_lost() -> Mapping[str, float | int]:
    """Return how many grades were given by keyboard, after how many the server was killed, and how many were lost."""
    from playwright.sync_api import expect

    draw = random.Random(SEED)  # noqa: S311 - a seeded draw, not a secret
    killed = set(draw.sample(range(_GRADES), _KILLS))
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        _write_collection(folder / "part")
        given: dict[str, int] = {}
        with running(["--collection", "part", "--qrels", "human.qrels"], folder) as app:
            page = browser.new_page()
            page.goto(f"{app.url}/grade")
            for number in range(_GRADES):
                page.locator(".grades").wait_for(timeout=_LONGEST_WAIT_MS)
                query, doc = (page.locator(f".grades [name={field}]").input_value() for field in ("query", "doc"))
                given[f"{query} 0 {doc}"] = grade = draw.randrange(4)
                page.keyboard.press(str(grade))
                if number in killed:
                    time.sleep(draw.uniform(0, _LATEST_S))
                    app.kill()
                    app.start()
                expect(page.locator("aside b").first).to_have_text(str(number + 1), timeout=_LONGEST_WAIT_MS)
            page.close()
        kept = (folder / "human.qrels").read_text(encoding="utf-8").splitlines()
    lost = {f"{pair} {grade}" for pair, grade in given.items()} - set(kept)
    return {"grades": _GRADES, "kills": _KILLS, "grades_lost": len(lost) + abs(_GRADES - len(kept))}


def _write_collection(folder: Path) -> None:
    folder.mkdir()
    demo = load_collection("demo")
    documents = [each for place, each in enumerate(demo.documents()) if place % _STEP == 0][:_DOCUMENTS]
    _write(folder / "corpus.jsonl", [{"_id": each.doc_id, **each.fields} for each in documents])
    queries = demo.queries()[:_QUERIES]
    _write(folder / "queries.jsonl", [{"_id": each.query_id, "text": each.text} for each in queries])


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
