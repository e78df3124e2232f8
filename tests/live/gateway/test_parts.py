"""The gateway's small parts: configuration, source filtering, documents, reordering, breaker, paths."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from relsearch.core.errors import ConfigError
from relsearch.live.gateway.answer.documents import hit_text
from relsearch.live.gateway.answer.page import engines_own, reranked
from relsearch.live.gateway.answer.ranking import Ranking
from relsearch.live.gateway.answer.source import SourceFilter
from relsearch.live.gateway.breaker import Breaker
from relsearch.live.gateway.config import GatewayConfig, Rules, load_gateway_config
from relsearch.live.gateway.msearch import summary
from relsearch.live.gateway.proxy import Upstream
from relsearch.live.gateway.refusals import BadAskError
from relsearch.live.gateway.request.reading import search_path
from relsearch.live.gateway.request.rewrite import Plan, Search
from relsearch.live.gateway.scoring import ScoringThreads
from relsearch.live.gateway.server import check_address
from relsearch.rerank.interpolation import NOTHING, Mix
from relsearch.rerank.reranker import Reranker
from tests.rerank.fake_scorer import OverlapScorer


def _write(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_configuration_says_how_each_index_is_reranked(tmp_path: Path) -> None:
    """The first section that matches every name of the index expression holds."""
    config = load_gateway_config(_write(tmp_path, '[index."news-*"]\nwindow = 7\n[index.sea]\nbudget_ms = 9\n'))
    assert config.rules_for("news-1,news-2") == Rules(window=7)
    assert config.rules_for("sea,-old") == Rules(budget_ms=9)
    assert config.rules_for("sea,news-1") is None
    assert config.rules_for("other") is None
    assert config.rules_for("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[index.a]\nwindw = 3", r"\[index.a\] unknown key 'windw'; did you mean 'window'"),
        ("[index.a]\nwindow = 0", r"\[index.a\] window"),
        ('[index.a]\ntemplate = "{a.b}"', r"\[index.a\] template"),
        ("[indices.a]", r"more than \[index.NAME\]"),
        ("[index", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_one_line_that_names_the_place(tmp_path: Path, text: str, message: str) -> None:
    """Unknown keys are refused, with the nearest known one."""
    with pytest.raises(ConfigError, match=message):
        load_gateway_config(_write(tmp_path, text))


@pytest.mark.parametrize("url", ["http://u:p@host:9200", "ftp://host", "host:9200", "http://host/?a=b"])
def test_an_upstream_address_holds_no_secret(url: str) -> None:
    """Errors show the address, so credentials must not stand in it."""
    with pytest.raises(ConfigError, match="--upstream"):
        Upstream(url)


def test_another_address_needs_a_key_or_the_will() -> None:
    """Only this machine reaches a gateway by default."""
    for host in ("127.0.0.1", "localhost", "::1"):
        check_address(host, key=None, insecure=False)
    check_address("192.0.2.1", key="k", insecure=False)
    check_address("192.0.2.1", key=None, insecure=True)
    for host in ("192.0.2.1", "example.org"):
        with pytest.raises(ConfigError, match="--insecure"):
            check_address(host, key=None, insecure=False)


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("POST", "/a,b/_search?size=3", ("a,b", "_search", False)),
        ("GET", "/_search", ("", "_search", False)),
        ("POST", "/_msearch/template", ("", "_msearch", True)),
        ("GET", "/%3Cx%2F%3E/_search", ("%3Cx%2F%3E", "_search", False)),
        ("PUT", "/a/_search", None),
        ("POST", "/_search/scroll", None),
        ("POST", "/a/_doc/_search/x", None),
        ("POST", "/a/_async_search", None),
    ],
)
def test_only_searches_are_looked_into(method: str, path: str, found: tuple[str, str, bool] | None) -> None:
    """By method and path; a document called _search is none."""
    parts = search_path(method, path)
    assert (parts and (parts.target, parts.verb, parts.template)) == found


def test_a_hit_is_read_through_the_template() -> None:
    """Nested paths, dotted keys, lists and numbers become text; absent fields are empty."""
    source = {"head": ["One", "two"], "body": {"content": "text"}, "a.b": 3, "items": [{"n": "x"}, {"n": "y"}]}
    template = "{title} {text} {number} {names} {none}"
    fields = {"title": "head", "text": "body.content", "number": "a.b", "names": "items.n"}
    assert hit_text(source, template, fields) == "One two text 3 x y"


scores = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=12)


@given(scores, st.integers(1, 12), st.integers(0, 12), st.integers(1, 12))
def test_pages_of_any_size_hold_each_hit_once(values: list[float], window: int, more: int, size: int) -> None:
    """Going through all pages gives a permutation; hits past the window keep the engine's order."""
    values = values[:window]
    hits = [{"_id": str(n), "_score": 30.0 - n, "_source": {}} for n in range(len(values) + more)]
    answer = {"hits": {"max_score": 30.0, "hits": hits}}
    pages = [
        reranked(answer, _page(start, size, window=len(values)), values)["hits"]["hits"]
        for start in range(0, len(hits), size)
    ]
    ids = [int(hit["_id"]) for page in pages for hit in page]
    assert sorted(ids) == list(range(len(hits)))
    assert ids[len(values) :] == list(range(len(values), len(hits)))
    ranked = [values[n] for n in ids[: len(values)]]
    assert ranked == sorted(values, reverse=True)


def test_equal_scores_keep_the_engines_order() -> None:
    """Ties fall back to the first stage's rank."""
    answer = {"hits": {"max_score": 3.0, "hits": [{"_id": name, "_score": 1.0} for name in "abc"]}}
    page = reranked(answer, _page(0, 3), [0.5, 0.7, 0.5])["hits"]
    assert [hit["_id"] for hit in page["hits"]] == ["b", "a", "c"]
    assert page["max_score"] == 0.7


def test_the_engines_scores_can_be_mixed_in() -> None:
    """The plan says how much they weigh; `_score` is what the hits were ordered by."""
    hits = [
        {"_id": "a", "_score": 9.0, "_source": {"title": "x"}},
        {"_id": "b", "_score": 1.0, "_source": {"title": "q"}},
    ]
    answer = {"hits": {"max_score": 9.0, "hits": hits}}
    scorer = ScoringThreads(Reranker(OverlapScorer(), "{title}"))
    ranking = Ranking(GatewayConfig(), {None: scorer})
    for mix, wanted in ((NOTHING, ["b", "a"]), (Mix(9.0), ["a", "b"])):
        page = asyncio.run(ranking.rank(answer, _page(0, 2, mix=mix)))[0]["hits"]
        assert [hit["_id"] for hit in page["hits"]] == wanted
        assert page["max_score"] == page["hits"][0]["_score"] > page["hits"][1]["_score"]
    scorer.close()


def test_a_second_reranker_orders_the_head() -> None:
    """What the first one put below stays there."""
    hits = [{"_id": name, "_score": 1.0, "_source": {"title": name}} for name in ("long q", "q", "longer", "short")]
    scorer = ScoringThreads(Reranker(OverlapScorer(), "{title}").with_second(Reranker(_Shortest(), "{title}"), 2))
    ranking = Ranking(GatewayConfig(), {None: scorer})
    page = asyncio.run(ranking.rank({"hits": {"hits": hits}}, _page(0, 4)))[0]["hits"]["hits"]
    scorer.close()
    assert [hit["_id"] for hit in page] == ["q", "long q", "longer", "short"]


@pytest.mark.parametrize(
    ("asked", "rules", "mix"),
    [({}, None, Mix(0.3, 0.4)), ({}, 0.1, Mix(0.1, 0.4)), ({"mix": 0.0, "feedback": 0.2}, 0.1, Mix(0.0, 0.2))],
)
def test_the_bundle_says_how_much_they_weigh(asked: dict[str, float], rules: float | None, mix: Mix) -> None:
    """Unless the index's rules do, or the search."""
    scorer = ScoringThreads(Reranker(_Pooled(), "{title}", Mix(0.3, 0.4)))
    ranking = Ranking(GatewayConfig(index={"sea": Rules(mix=rules)}), {None: scorer})
    body = {"query": {"match": {"title": "tides"}}, "ext": {"relsearch": asked}}
    plan = ranking.decide(Search("sea", body, ())).plan
    scorer.close()
    assert plan is not None
    assert plan.mix == mix


def test_feedback_from_a_cross_encoder_is_refused() -> None:
    """A search that asks for it by name is told; one under a rule is answered in the engine's order, marked."""
    scorer = ScoringThreads(Reranker(OverlapScorer(), "{title}"))
    body = {"query": {"match": {"title": "tides"}}}
    with pytest.raises(BadAskError, match="cross-encoder"):
        Ranking(GatewayConfig(), {None: scorer}).decide(
            Search("sea", {**body, "ext": {"relsearch": {"feedback": 0.3}}})
        )
    ruled = Ranking(GatewayConfig(index={"sea": Rules(feedback=0.3)}), {None: scorer})
    assert ruled.decide(Search("sea", body)).mark == "bypassed; reason=feedback"
    scorer.close()


class _Shortest:
    """Prefers short texts."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """A probability that falls with the length."""
        return [1 / (1 + len(text)) for text in texts]


class _Pooled(OverlapScorer):
    """A scorer that knows a vector of each text."""

    def pooled_vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one row a text."""
        return np.ones((len(texts), 2))


def test_the_engines_rank_and_score_are_kept_on_request() -> None:
    """Under fields, beside those that the client asked for."""
    answer = {"hits": {"max_score": 3.0, "hits": [{"_id": "a", "_score": 3.0, "fields": {"x": [1]}}]}}
    (hit,) = reranked(answer, _page(0, 1, original=True), [0.5])["hits"]["hits"]
    assert hit["fields"] == {"x": [1], "relsearch.rank": [1], "relsearch.score": [3.0]}


def test_the_engines_own_page_is_cut_from_the_window() -> None:
    """A failed reranking costs nothing that was asked for, and shows nothing that was not."""
    hits = [{"_id": str(n), "_score": 9.0 - n, "_source": {"title": "t", "tag": "x"}} for n in range(9)]
    plan = _page(2, 2, source=SourceFilter(includes=("tag",)))
    page = engines_own({"took": 1, "hits": {"max_score": 9.0, "hits": hits}}, plan)
    wanted = [{"_id": str(n), "_score": 9.0 - n, "_source": {"tag": "x"}} for n in (2, 3)]
    assert page == {"took": 1, "hits": {"max_score": 9.0, "hits": wanted}}


def _page(start: int, size: int, *, window: int = 100, **more: Any) -> Plan:
    source = more.get("source", SourceFilter())
    rules = Rules(window=window, original=more.get("original", False))
    return Plan({}, (), "q", rules, "{title}", more.get("mix", NOTHING), start, size, source)


def test_a_breaker_opens_after_failures_in_a_row_and_tries_again() -> None:
    """One success closes it; while open one trial a cool-down is let through."""
    now = [0.0]
    breaker = Breaker(failures=2, cool_s=10, clock=lambda: now[0])
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now[0] = 10.0
    assert breaker.allows()
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def test_many_marks_are_counted() -> None:
    """A multi-search says how many of its searches were reranked, and why others were not."""
    marks = ["reranked; hits=3", "", "reranked; hits=9", "bypassed; reason=deadline"]
    assert summary(marks) == "bypassed; reason=deadline; searches=1, reranked; searches=2"


def test_a_gateway_without_a_configuration_reranks_on_request_only() -> None:
    """No index has rules."""
    assert GatewayConfig().rules_for("any") is None
