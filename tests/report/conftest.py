"""A small comparison whose texts try all that a page must not fall for, and its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relsearch.report import from_runs, render
from relsearch.report.data import ReportData

HOSTILE = {
    "q1": "</script><script>document.title='owned'</script>",
    "q2": "<img src=x onerror=\"document.title='owned'\">",
    "q3": "שלום עולם, مرحبا",
    "q4": "🐈‍⬛ why does a cat purr? {{ 7 * 7 }} ${7 * 7}",
}
_BODIES = ("<b>bold</b> & </script><svg onload=alert(1)>", "x" * 1_000_000, "‮evil", "plain text of a document")


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qrels, three runs, a judge's labels, and a collection of four queries with odd texts."""
    folder = tmp_path_factory.mktemp("compared")
    documents = [
        {"_id": f"{query}-{number}", "title": f"<i>{query}</i>", "text": body}
        for query in HOSTILE
        for number, body in enumerate(_BODIES)
    ]
    _write(folder / "corpus.jsonl", "".join(json.dumps(each) + "\n" for each in documents))
    _write(folder / "queries.jsonl", "".join(json.dumps({"_id": q, "text": t}) + "\n" for q, t in HOSTILE.items()))
    _write(folder / "qrels.tsv", "".join(f"{query} 0 {query}-{n} {n}\n" for query in HOSTILE for n in range(4)))
    _write(folder / "judge.tsv", "".join(f"{query} 0 {query}-{n} {3 - n}\n" for query in HOSTILE for n in range(4)))
    orders = {"bm25": "0123", "worse": "0123", "better": "3210"}
    for name, order in orders.items():
        _write(
            folder / f"{name}.trec",
            "".join(f"{q} Q0 {q}-{doc} {rank} {9 - rank} t\n" for q in HOSTILE for rank, doc in enumerate(order, 1)),
        )
    return folder


@pytest.fixture(scope="package")
def data(folder: Path) -> ReportData:
    """Its report."""
    runs = {name: folder / f"{name}.trec" for name in ("bm25", "worse", "better")}
    judgments = folder / "judge.tsv"
    return from_runs(
        folder / "qrels.tsv", runs, collection=str(folder), judgments=judgments, resamples=200, seed=13, command="it"
    )


@pytest.fixture(scope="package")
def page(data: ReportData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(data), encoding="utf-8")
    return path


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
