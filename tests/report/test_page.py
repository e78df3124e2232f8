"""The page of a comparison, read as text: what it says, and that no text of a query or a document is markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from relsearch.core.errors import ArtifactError
from relsearch.report import from_runs, render, words
from relsearch.report.data import ReportData
from tests.report.conftest import HOSTILE


class _Tags(HTMLParser):
    """Collects tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _lists(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    lists: dict[str, Any] = json.loads(found[1])
    return lists


def test_no_text_becomes_markup_or_script(page: Path) -> None:
    """Of queries and documents with tags, quotes and template marks no tag, handler or template value is made."""
    parser = _Tags()
    parser.feed(page.read_text(encoding="utf-8"))
    assert {"img", "i", "iframe", "link"}.isdisjoint(tag for tag, _ in parser.tags)
    assert not [name for _, attributes in parser.tags for name in attributes if name.startswith("on")]
    assert not [attributes for tag, attributes in parser.tags if {"src", "style"} & attributes.keys()]
    assert [attributes.get("type") for tag, attributes in parser.tags if tag == "script"].count(None) == 1
    assert "49" not in re.findall(r"<button[^>]*class=\"query\"[^>]*>[^<]*</button>", page.read_text("utf-8"))[-1]


def test_the_policy_allows_this_style_and_this_script_alone(page: Path) -> None:
    """Nothing is loaded, and the hashes are those of what stands in the page."""
    import base64
    import hashlib

    html = page.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert "default-src &#39;none&#39;" in policy[1]
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert content
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy[1]


def test_long_bodies_are_cut_with_a_mark(page: Path) -> None:
    """A document of a megabyte takes a few hundred characters."""
    assert page.stat().st_size < 100_000
    bodies = [body for _, _, body in _lists(page.read_text(encoding="utf-8"))["documents"]]
    assert any(body.endswith("x […]") for body in bodies)
    assert max(map(len, bodies)) < 400


def test_lists_hold_ranks_and_grades_by_source(page: Path) -> None:
    """Each document has people's grade, the judge's, and its rank in every run."""
    lists = _lists(page.read_text(encoding="utf-8"))
    assert lists["runs"] == ["bm25", "worse", "better"]
    assert [query["text"] for query in lists["queries"]] == list(HOSTILE.values())
    rows = {lists["documents"][place][0]: row for place, *row in lists["queries"][0]["documents"]}
    assert rows == {f"q1-{n}": [n, 3 - n, n + 1, n + 1, 4 - n] for n in range(4)}


def test_the_first_screen_says_what_won_and_how_surely(data: ReportData) -> None:
    """The run that is named last is told of; a gain that four queries cannot prove is called unsure."""
    html = render(data)
    assert "<h1>No sure difference between better and bm25: too few queries to tell</h1>" in html
    assert "So few queries cannot show more: p is at least 0.250." in html
    assert "4 better, 0 worse, 0 unchanged" in html
    assert data.evaluation is not None
    gains = data.evaluation.comparisons["better"]
    gains = {measure: replace(gain, p_holm=0.0004) for measure, gain in gains.items()}
    sure = {**data.evaluation.comparisons, "better": gains}
    html = render(replace(data, evaluation=replace(data.evaluation, comparisons=sure)))
    assert "<h1>better ranks better than bm25</h1>" in html
    of_test = replace(data, evaluation=replace(data.evaluation, comparisons=sure), split="test")
    assert "<h1>better ranks better than bm25 on test queries</h1>" in render(of_test)


def test_of_many_queries_none_are_called_too_few(data: ReportData) -> None:
    """Eight could show a difference that six of them do not; a single run's p is not corrected."""
    assert data.evaluation is not None
    many = replace(data.evaluation, query_ids=tuple(f"q{number}" for number in range(8)))
    assert words.headline(many, "better") == "No sure difference between better and bm25"
    alone = replace(data.evaluation, query_ids=many.query_ids[:6], comparisons={"better": many.comparisons["better"]})
    assert "So few" not in words.gain_in_words(alone, "better")
    assert "So few" in words.gain_in_words(replace(alone, query_ids=many.query_ids[:5]), "better")


def test_the_same_input_makes_the_same_page(data: ReportData) -> None:
    """To the last byte."""
    assert render(data) == render(data)


def test_without_texts_and_comparison_the_page_still_tells(folder: Path) -> None:
    """One run and no collection: its measure, and queries by their ids."""
    alone = from_runs(folder / "qrels.tsv", {"bm25": folder / "bm25.trec"}, resamples=200, seed=13)
    html = render(alone)
    assert "bm25: nDCG@10" in html
    assert "<dialog" not in html
    assert "p (Holm)" not in html
    assert "randomisation test" not in html
    pair = {name: folder / f"{name}.trec" for name in ("bm25", "better")}
    assert ">q1</button>" in render(from_runs(folder / "qrels.tsv", pair, resamples=200, seed=13))


def test_speed_is_named_where_it_was_measured(data: ReportData) -> None:
    """Without it, the section is about the candidates read; values on a curve's axis stand over its line."""
    html = render(data)
    assert "Quality by candidates read</h2>" in html
    assert ">Candidates read</a>" in html
    assert "peed</" not in html
    curve = html.partition('class="curves"')[2].partition("</svg>")[0]
    assert curve.rindex("<circle") < curve.index("<text")
    timed = render(replace(data, latency_ms={"better": 20.0}))
    assert "Quality and speed</h2>" in timed
    assert ">Speed</a>" in timed


def test_one_is_no_plural_and_no_difference_is_not_too_low(data: ReportData) -> None:
    """Where a query is better, a pair is graded apart, or the judge grades as high as people."""
    assert "On average the judge grades as high as people." in render(data)
    assert data.judge is not None
    apart = replace(data, judge=replace(data.judge, pairs=data.judge.pairs.filter(grade=0, judged=3).head(1)))
    assert "The 1 pair that they grade furthest apart" in render(apart)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """With what would make it one."""
    with pytest.raises(ArtifactError, match="not a run folder; run `relsearch run`"):
        render(tmp_path)
