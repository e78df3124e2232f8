"""A search through a client, reranked on the caller's side: nothing is lost, and what went wrong is said."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import relsearch
from relsearch.core.errors import ArtifactError, ConfigError, FieldsError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.index.engine.vector_index import open_vectors
from relsearch.live import searching
from relsearch.live.searching import SearchResult
from relsearch.rerank.deadline import Reranked
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.reranker import Reranker

Score = Callable[[str, Sequence[str]], list[float]]
TEXTS = ["tea", "green tea", "tea tea tea", "black tea"]


class Engine:
    """The search of a client: finds all texts in their order, remembers what it was asked."""

    def __init__(self, texts: Sequence[str], name: str = "text") -> None:
        self.asked: list[dict[str, Any]] = []
        self._name = name
        self._sources = [{name: text} for text in texts]

    def field_caps(self, *, index: str, fields: str) -> dict[str, Any]:
        """Return what the index maps: its field, as text."""
        return {"fields": {self._name: {"text": {"type": "text"}}}}

    def search(self, *, index: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return at most `size` hits with decreasing scores."""
        self.asked.append({"index": index, **body})
        rows = enumerate(self._sources[: body["size"]])
        hits = [{"_id": f"d{place}", "_index": index, "_score": 9.0 - place, "_source": each} for place, each in rows]
        return {"hits": {"hits": hits}}


class AsyncEngine(Engine):
    """The same, awaited."""

    async def search(self, *, index: str, body: Mapping[str, Any]) -> dict[str, Any]:  # type: ignore[override]
        """Return what the other returns."""
        return super().search(index=index, body=body)

    async def field_caps(self, *, index: str, fields: str) -> dict[str, Any]:  # type: ignore[override]
        """Return what the other returns."""
        return super().field_caps(index=index, fields=fields)


def longer_is_better(query: str, texts: Sequence[str]) -> list[float]:
    """A probability that grows with the length."""
    return [(len(text) + 1) / (len(text) + 2) for text in texts]


@dataclass(frozen=True)
class Scored:
    """A scorer that is a function."""

    scores: Score

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Score by the function."""
        return self.scores(query, texts)


def reranker(
    scores: Score = longer_is_better, *, template: str = DEFAULT_TEMPLATE, mix: Interpolation = NO_INTERPOLATION
) -> Reranker:
    """An opened bundle that scores by a function."""
    return Reranker(Scored(scores), template, mix)


def _sync(texts: Sequence[str], bundle: Reranker, **options: Any) -> SearchResult:
    return relsearch.search(Engine(texts), "docs", "tea", bundle=bundle, **options)


def _async(texts: Sequence[str], bundle: Reranker, **options: Any) -> SearchResult:
    return asyncio.run(relsearch.search_async(AsyncEngine(texts), "docs", "tea", bundle=bundle, **options))


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def search(request: pytest.FixtureRequest) -> Callable[..., SearchResult]:
    """Both ways to search."""
    way: Callable[..., SearchResult] = request.param
    return way


def _ids(found: SearchResult) -> list[str]:
    return [hit.doc_id for hit in found.hits]


def test_hits_follow_the_reranker_and_keep_the_engine_rank(search: Callable[..., SearchResult]) -> None:
    """Each hit says where the engine had it and what both thought of it."""
    found = search(TEXTS, reranker())
    assert found.reranked
    assert found.reason is None
    assert [(hit.doc_id, hit.engine_rank, hit.engine_score) for hit in found.hits] == [
        ("d2", 3, 7.0),
        ("d1", 2, 8.0),
        ("d3", 4, 6.0),
        ("d0", 1, 9.0),
    ]
    assert [hit.score for hit in found.hits] == sorted((hit.score or 0 for hit in found.hits), reverse=True)


def test_what_lies_below_the_window_follows_in_the_engine_order(search: Callable[..., SearchResult]) -> None:
    """It has no score of the reranker's."""
    found = search(TEXTS, reranker(), window=2)
    assert _ids(found) == ["d1", "d0", "d2", "d3"]
    assert [hit.score is None for hit in found.hits] == [False, False, True, True]


def test_the_engines_scores_can_be_mixed_in(search: Callable[..., SearchResult]) -> None:
    """With enough weight its order comes back, and the window's hits keep a score."""
    found = search(TEXTS, reranker(), mix=100.0)
    assert _ids(found) == ["d0", "d1", "d2", "d3"]
    assert found.reranked


def test_a_second_bundle_reranks_the_head(search: Callable[..., SearchResult]) -> None:
    """It orders what the first one puts there; one that renders otherwise is refused, one that fails loses nothing."""
    second = reranker(scores=lambda _, texts: [1 / (1 + len(text)) for text in texts])
    found = search(TEXTS, reranker(), cascade=second, cascade_window=2)
    assert _ids(found) == ["d1", "d2", "d3", "d0"]
    assert _ids(search(TEXTS, reranker(), cascade=reranker(scores=_broken))) == ["d0", "d1", "d2", "d3"]
    with pytest.raises(ConfigError, match="export both alike"):
        search(TEXTS, reranker(), cascade=reranker(template="{title}"))


def test_former_keywords_work_and_warn(search: Callable[..., SearchResult]) -> None:
    """For one release; beside the current name, or unknown, a keyword is refused."""
    second = reranker(scores=lambda _, texts: [1 / (1 + len(text)) for text in texts])
    with pytest.warns(DeprecationWarning, match="is now called cascade") as said:
        found = search(TEXTS, reranker(), then=second, then_window=2)
    assert {str(each.message) for each in said} == {
        "then is now called cascade",
        "then_window is now called cascade_window",
    }
    assert _ids(found) == _ids(search(TEXTS, reranker(), cascade=second, cascade_window=2))
    with pytest.warns(DeprecationWarning, match="feedback is now called prf"):
        search(TEXTS, reranker(), feedback=0.0)
    with pytest.raises(TypeError, match="give prf alone"):
        search(TEXTS, reranker(), feedback=0.0, prf=0.0)
    with pytest.raises(TypeError, match="unexpected keyword 'weight'; known: vectors, mix, prf"):
        search(TEXTS, reranker(), weight=1)


def test_the_result_has_its_former_name() -> None:
    """For one release, with a warning."""
    with pytest.warns(DeprecationWarning, match="now called SearchResult"):
        assert searching.Found is SearchResult
    with pytest.raises(AttributeError, match="no attribute 'Lost'"):
        _ = searching.Lost


def _broken(query: str, texts: Sequence[str]) -> list[float]:
    raise RuntimeError(query)


def test_a_bundle_says_how_much_the_engines_scores_weigh(search: Callable[..., SearchResult]) -> None:
    """Unless the caller does."""
    bundle = reranker(mix=Interpolation(100.0))
    assert _ids(search(TEXTS, bundle)) == ["d0", "d1", "d2", "d3"]
    assert _ids(search(TEXTS, bundle, mix=0)) == _ids(search(TEXTS, reranker()))


@pytest.mark.parametrize("mix", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(search: Callable[..., SearchResult], mix: float) -> None:
    """Before the engine is asked anything."""
    with pytest.raises(ConfigError, match=r"mix .* give a weight of 0 or more"):
        search(TEXTS, reranker(), mix=mix)


@pytest.mark.parametrize("wrong", [{"window": 0}, {"window": -1}, {"size": -1}, {"cascade_window": 0}])
def test_no_hits_to_rerank_is_an_error_at_once(search: Callable[..., SearchResult], wrong: dict[str, int]) -> None:
    """A window below 0 would rerank all but the last hits."""
    with pytest.raises(ConfigError, match=r"give [01] or more"):
        search(TEXTS, reranker(), **({"cascade": reranker()} if "cascade_window" in wrong else {}), **wrong)


def test_the_best_of_the_window_are_returned(search: Callable[..., SearchResult]) -> None:
    """`size` cuts after reranking."""
    assert _ids(search(TEXTS, reranker(), size=1)) == ["d2"]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (lambda query, texts: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda query, texts: [0.5], "ModelError: the reranker gave 1 score for 4 texts"),
        (lambda query, texts: [float("nan")] * len(texts), "or one not finite"),
    ],
)
def test_a_failing_reranker_loses_no_search(search: Callable[..., SearchResult], scores: Score, reason: str) -> None:
    """The engine's order comes back, marked with the reason."""
    found = search(TEXTS, reranker(scores))
    assert not found.reranked
    assert reason in str(found.reason)
    assert _ids(found) == ["d0", "d1", "d2", "d3"]
    assert {hit.score for hit in found.hits} == {None}


def test_a_slow_reranker_is_left_behind_at_the_budget(search: Callable[..., SearchResult]) -> None:
    """The engine's order comes back in time, and scoring stops soon after instead of finishing all texts."""
    calls: list[int] = []

    def slow(query: str, texts: Sequence[str]) -> list[float]:
        calls.append(len(texts))
        time.sleep(0.3)
        return longer_is_better(query, texts)

    found = search(["tea"] * 1000, reranker(slow), window=1000, budget_ms=100)
    assert found.reason == "the reranker took longer than 100 ms"
    assert _ids(found)[:2] == ["d0", "d1"]
    assert found.rerank_ms < 5000  # all texts would take 9,600
    time.sleep(0.7)
    assert len(calls) <= 1


@dataclass(frozen=True)
class ReadsInTime(Scored):
    """A scorer of which so many texts are read in any time."""

    reached: int

    def rerank(self, query: str, texts: Sequence[str], *, budget_ms: float = 50) -> Reranked:
        """Read the first ones."""
        read = dict(enumerate(self.scores(query, texts[: self.reached])))
        return Reranked(read, tuple(range(len(texts))), 0.0)


def test_what_fits_into_the_budget_is_read(search: Callable[..., SearchResult]) -> None:
    """The hits that were read trade places, the others keep theirs and have no score."""
    found = search(
        ["tea", "green tea", "a cup of green tea", "no"], Reranker(ReadsInTime(longer_is_better, 2)), budget_ms=50
    )
    assert (found.reranked, found.read, _ids(found)) == (True, 2, ["d1", "d0", "d2", "d3"])
    assert [hit.score is None for hit in found.hits] == [False, False, True, True]
    none = search(TEXTS, Reranker(ReadsInTime(longer_is_better, 0)), budget_ms=50)
    assert (none.reranked, none.reason, _ids(none)) == (
        False,
        "the reranker took longer than 50 ms",
        ["d0", "d1", "d2", "d3"],
    )


def test_within_the_budget_the_result_is_the_same(search: Callable[..., SearchResult]) -> None:
    """A budget that suffices changes nothing."""
    assert _ids(search(TEXTS, reranker(), budget_ms=30_000)) == _ids(search(TEXTS, reranker()))


def test_fields_map_the_template_to_the_index() -> None:
    """A text field of another name is searched and read where it stands."""
    engine = Engine(TEXTS, name="body")
    found = relsearch.search(engine, "docs", "tea", bundle=reranker(), fields={"text": "body"})
    assert _ids(found)[0] == "d2"
    assert engine.asked[0]["query"]["multi_match"] == {"query": "tea", "fields": ["body", "contents"], "lenient": True}
    assert engine.asked[0]["size"] == 100


def test_an_own_engine_query_replaces_the_first_stage() -> None:
    """Filters, boosts and the like stay the caller's."""
    engine = Engine(TEXTS)
    own = {"bool": {"filter": {"term": {"lang": "en"}}}}
    relsearch.search(engine, "docs", "tea", bundle=reranker(), engine_query=own, window=3, size=5)
    assert engine.asked == [{"index": "docs", "query": own, "size": 5}]


def test_fields_that_the_bundle_does_not_read_are_refused() -> None:
    """They would be left out in silence; the error shows the mapping to give."""
    with pytest.raises(ConfigError, match=r"bundle reads title, text; .*fields=\{'text': 'body'\}"):
        relsearch.search(Engine(TEXTS), "docs", "tea", bundle=reranker(), fields=["body"])


def test_hits_without_any_text_are_not_reranked(search: Callable[..., SearchResult]) -> None:
    """Scores of empty texts would be noise."""
    found = search(TEXTS, reranker(), fields={"text": "body"})
    assert not found.reranked
    assert "the hits have no text in body" in str(found.reason)


def test_hits_below_the_lowest_score_are_left_out(search: Callable[..., SearchResult]) -> None:
    """And those beyond the window, which have none; where reranking failed, all stay."""
    assert _ids(search(TEXTS, reranker(), min_score=0.9)) == ["d2", "d1", "d3"]
    assert _ids(search(TEXTS, reranker(), min_score=0.1, window=2)) == ["d1", "d0"]
    assert search(TEXTS, reranker(), min_score=0.99).hits == ()
    assert len(search(TEXTS, reranker(scores=_broken), min_score=0.9).hits) == 4


def test_nothing_found_in_fields_that_hold_no_words_is_an_error(search: Callable[..., SearchResult]) -> None:
    """The index has text fields, and the search named others; a search of one's own is one's own affair."""
    with pytest.raises(FieldsError, match=r"has no field body; text fields there are: text; .*fields="):
        search([], reranker(), fields={"text": "body"})
    assert search([], reranker(), fields={"text": "body"}, engine_query={"match_all": {}}).hits == ()


def test_nothing_found_is_no_failure(search: Callable[..., SearchResult]) -> None:
    """An empty result stays empty."""
    assert search([], reranker()).hits == ()
    assert search([], reranker()).reason is None


def test_a_missing_bundle_is_an_error(tmp_path: Path) -> None:
    """A wrong path is found at once, not hidden behind the engine's order."""
    with pytest.raises(ArtifactError, match="export"):
        relsearch.search(Engine(TEXTS), "docs", "tea", bundle=tmp_path)


@pytest.mark.slow
def test_a_bundle_folder_is_opened_and_scores(tiny_bundles: dict[str, Path]) -> None:
    """A path does as an opened bundle does."""
    found = relsearch.search(Engine(TEXTS), "docs", "tea", bundle=tiny_bundles["fp32"])
    assert found.reranked, found.reason
    assert all(0 < (hit.score or 0) < 1 for hit in found.hits)


@pytest.mark.slow
def test_precomputed_vectors_score_as_the_bundle_does(late_bundle: Path, tmp_path: Path) -> None:
    """A late-interaction bundle gives the same scores with and without the documents that were read before."""
    scorer = LateOnnxScorer.open(late_bundle, vectors=open_vectors(tmp_path / "vectors", create=True))
    assert scorer.open_store().add(TEXTS, scorer.document_vectors) == len(TEXTS)
    found = [
        relsearch.search(Engine(TEXTS), "docs", "tea", bundle=late_bundle, vectors=vectors)
        for vectors in (None, tmp_path / "vectors")
    ]
    assert found[0].reranked, found[0].reason
    assert found[0].hits == found[1].hits


def test_vectors_that_would_be_left_unread_are_refused(tiny_bundles: dict[str, Path], tmp_path: Path) -> None:
    """A cross-encoder and an opened bundle take none."""
    with pytest.raises(ConfigError, match="cross-encoder"):
        relsearch.search(Engine(TEXTS), "docs", "tea", bundle=tiny_bundles["fp32"], vectors=tmp_path)
    with pytest.raises(ConfigError, match="open already"):
        relsearch.search(Engine(TEXTS), "docs", "tea", bundle=reranker(), vectors=tmp_path)


def test_importing_relsearch_stays_light() -> None:
    """`import relsearch` loads none of its own modules nor numpy, and still offers search after them."""
    code = (
        "import sys, relsearch; loaded = [m for m in sys.modules if m.startswith(('relsearch.', 'numpy'))];"
        "from relsearch.live import searching; assert callable(relsearch.search); sys.exit(', '.join(loaded) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.text(max_size=8), max_size=40), st.integers(1, 50), st.integers(1, 50))
def test_reranking_is_a_permutation(texts: list[str], size: int, window: int) -> None:
    """No hit is lost, doubled or invented; window and rest do not mix."""
    found = _sync(texts, reranker(), size=max(size, len(texts)), window=window)
    assert sorted(hit.engine_rank for hit in found.hits) == list(range(1, len(texts) + 1))
    if found.reranked:
        assert all((hit.score is not None) == (hit.engine_rank <= window) for hit in found.hits)


def test_a_notebook_shows_hits_without_their_markup() -> None:
    """Ranks before and after, times, and the start of each text; tags in a document stay text."""
    found = _sync(["<script>alert(1)</script> " + "tea " * 100, "tea"], reranker())
    shown = found._repr_html_()
    assert shown.count("<tr>") == 3
    assert "&lt;script&gt;alert(1)&lt;/script&gt; tea" in shown
    assert "[…]" in shown
    assert "<script>" not in shown
    assert "reranked; engine" in shown
