"""The gateway's small parts: configuration, source filtering, documents, reordering, breaker, paths."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from relsearch.core.errors import ConfigError
from relsearch.core.fields.field_texts import path_text
from relsearch.live.gateway.answer.documents import read_text
from relsearch.live.gateway.answer.page import engines_own, read_page, reranked
from relsearch.live.gateway.answer.ranking import Ranking, deadline
from relsearch.live.gateway.answer.source import SourceFilter, source_filter
from relsearch.live.gateway.config import GatewayConfig, Rules, load_gateway_config
from relsearch.live.gateway.json_slices import edited, scan
from relsearch.live.gateway.msearch import summary
from relsearch.live.gateway.proxy import Upstream
from relsearch.live.gateway.refusals import BadAskError, LateError
from relsearch.live.gateway.request.reading import search_path
from relsearch.live.gateway.request.rewrite import Plan, Search
from relsearch.live.gateway.scoring.breaker import Breaker
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.live.gateway.server import check_address
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.partly import Placed, placed
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
        ("[indices.a]", r"\[indices\] is none of a gateway.toml's sections; write \[index.NAME\]"),
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


def test_parameters_are_parted_as_the_engines_part_them() -> None:
    """By semicolons as well; one that is escaped belongs to its value."""
    path = search_path("GET", "/sea/_search?q=text:tides;size=0&_source=a%3Bb")
    assert path is not None
    assert path.parameters == (("q", "text:tides"), ("size", "0"), ("_source", "a;b"))


def test_a_hit_is_read_through_the_template() -> None:
    """Nested paths, dotted keys, lists and numbers become text; absent fields are empty."""
    source = {"head": ["One", "two"], "body": {"content": "text"}, "a.b": 3, "items": [{"n": "x"}, {"n": "y"}]}
    template = "{title} {text} {number} {names} {none}"
    fields = {"title": "head", "text": "body.content", "number": "a.b", "names": "items.n"}
    assert read_text({"_source": source}, template, fields, most=100) == "One two text 3 x y"
    assert read_text({"_source": {"text": "  a" * 100_000}}, "{text}", {}, most=5) == "a a a"


def test_a_template_of_many_fields_makes_no_long_text() -> None:
    """Each hit is read in milliseconds, however often a request's template names a field that is long."""
    began = time.monotonic()
    assert len(read_text({"_source": {"t": ["tides"] * 20_000}}, "{t}" * 666, {}, most=6000)) == 6000
    assert time.monotonic() - began < 0.5


def test_a_list_of_texts_is_joined_as_far_as_it_is_read() -> None:
    """However long the document is; blanks do not count."""
    texts = [" " * 90, "tides", *["rest"] * 100_000]
    assert path_text({"body": [{"text": each} for each in texts]}, "body.text", most=9) == f"{' ' * 90} tides rest"
    tracemalloc.start()
    assert read_text({"_source": {"t": ["x" * 400] * 400}}, "{t}", {}, most=100) == "x" * 100
    assert tracemalloc.get_traced_memory()[1] < 50_000
    tracemalloc.stop()


def test_a_page_is_not_read_on_when_its_time_is_up() -> None:
    """The search has been answered by then."""
    with pytest.raises(LateError):
        read_page(json.dumps(_answer(3)).encode(), plan=None, until=time.monotonic() - 1)


scores = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=12)


@given(scores, st.integers(0, 12), st.integers(1, 12), st.data())
def test_pages_of_any_size_hold_each_hit_once(values: list[float], more: int, size: int, data: st.DataObject) -> None:
    """All pages give a permutation; hits that were not read, or lie past the window, keep their place."""
    read = {place: value for place, value in enumerate(values) if data.draw(st.booleans())} or {0: values[0]}
    count = len(values) + more
    order = placed(read, range(len(values)), more)
    pages = [_hits(_reranked(_answer(count), _page(start, size), order)) for start in range(0, count, size)]
    ids = [int(hit["_id"]) for page in pages for hit in page]
    shown = [hit["_score"] for page in pages for hit in page]
    assert sorted(ids) == list(range(count))
    assert all(ids[place] == place for place in range(count) if place not in read)
    ranked = [read[place] for place in ids if place in read]
    assert ranked == sorted(ranked, reverse=True)
    assert shown == sorted(shown, reverse=True)
    assert all(0 < score < 1 for score in shown)


def _answer(count: int) -> dict[str, Any]:
    hits = [{"_id": str(n), "_score": 30.0 - n, "_source": {}} for n in range(count)]
    return {"hits": {"max_score": 30.0, "hits": hits}}


def _reranked(answer: object, plan: Plan, order: Sequence[Placed]) -> dict[str, Any]:
    page = read_page(json.dumps(answer).encode(), plan=plan, most=1000)
    found: dict[str, Any] = json.loads(edited(page.text, reranked(page, plan, order)))
    return found


def _hits(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(answer["hits"]["hits"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_values_are_found_wherever_they_stand(value: Any, indent: int | None, ascii_only: bool) -> None:
    """A value ends where it ends, and a whole document that is kept is kept byte for byte."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert scan(b"[ " + text + b" , 1]", 2) == (json.loads(text), 2 + len(text))
    if isinstance(value, dict):
        kept = SourceFilter(excludes=("no such path",)).apply(text)
        assert json.loads(kept) == json.loads(text)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a":1', b'{"a" 1}', b"{1:2}", b'{"a":"b}', b'{"a":1 "b":2}', b"[1,", b"x}"]
)
def test_what_is_no_answer_is_refused(text: bytes) -> None:
    """Cut short or not JSON at all."""
    with pytest.raises(ValueError, match="byte"):
        read_page(text, plan=None)


def test_equal_scores_keep_the_engines_order() -> None:
    """Ties fall back to the first stage's rank."""
    answer = {"hits": {"max_score": 3.0, "hits": [{"_id": name, "_score": 1.0} for name in "abc"]}}
    page = _reranked(answer, _page(0, 3), placed({0: 0.5, 1: 0.7, 2: 0.5}, range(3)))["hits"]
    assert [hit["_id"] for hit in page["hits"]] == ["b", "a", "c"]
    assert page["max_score"] == 0.7


def test_an_answer_is_never_written_anew() -> None:
    """Long and infinite numbers, escapes, the order of keys and white space are the engine's own."""
    first = (
        '{ "_score" :1.0, "_id":"a","_source":{"n":1234567890123456789012345, "m": 1e400, "title":"\\u00e9\\ud83d"}}'
    )
    second = '{"_id":"b", "_score": 0.5,"_source": {"title":"x"},"sort":[1.50]}'
    text = '{"took" : 1, "hits":{"hits":[\n  %s,\n  %s\n],"max_score":1.0}, "z": 0.10}'
    page = read_page((text % (first, second)).encode(), plan=_page(0, 2), most=10)
    swapped = edited(page.text, reranked(page, _page(0, 2), placed({0: 0.25, 1: 0.75}, range(2))))
    shown = (second.replace("0.5", "0.75"), first.replace("1.0", "0.25"))
    assert swapped.decode() == (text % shown).replace('"max_score":1.0', '"max_score":0.75')


@pytest.mark.parametrize("size", [1, 5000, 20_000])
def test_hits_of_any_length_and_alphabet_are_cut_where_they_end(size: int) -> None:
    """Characters of several bytes do not move a hit's places, whether it is short or long."""
    texts = ["tïdes 😀 " * size, "тихо " * size]
    hits = [{"_id": str(n), "_score": 2.0 - n, "_source": {"title": text}} for n, text in enumerate(texts)]
    text = json.dumps({"hits": {"hits": hits}, "after": "é"}, ensure_ascii=False)
    page = read_page(text.encode(), plan=_page(0, 2), most=7)
    assert [hit.text for hit in page.hits] == ["tïdes 😀", "тихо ти" if size > 1 else "тихо"]
    swapped = json.loads(edited(page.text, reranked(page, _page(0, 2), placed({0: 0.25, 1: 0.75}, range(2)))))
    assert swapped == {"hits": {"hits": [hits[1] | {"_score": 0.75}, hits[0] | {"_score": 0.25}]}, "after": "é"}


def test_a_page_shows_the_source_that_was_asked_for_as_it_is_written() -> None:
    """What only the reranker wanted is cut out of the text, wherever it stands."""
    hit = '{"_id":"a","_source":{ "big":1e400,"title":"t", "in":{"a":1.0,"b":[{"c":2,"d":3},4]}},"_score":1.0}'
    answer = '{"hits":{"hits":[' + hit + "]}}"
    for source, wanted in (
        (SourceFilter(includes=("big", "in.b.d")), '"_source":{"big":1e400,"in":{"b":[{"d":3}]}},'),
        (SourceFilter(excludes=("in.b", "title")), '"_source":{"big":1e400,"in":{"a":1.0}},'),
        (SourceFilter(wanted=False), ""),
    ):
        plan = _page(0, 1, source=source)
        page = read_page(answer.encode(), plan=plan, most=10)
        shown = '{"hits":{"hits":[{"_id":"a",' + wanted + '"_score":1.0}]}}'
        assert edited(page.text, engines_own(page, plan)).decode() == shown


def test_a_key_with_dots_is_below_what_stands_before_them() -> None:
    """As in the engines: what excludes an object excludes the key, and so for includes."""
    text = b'{"a.b":1,"c":2,"ab":3,"d":{"a.b":4}}'
    assert source_filter({"excludes": ["a"]}).apply(text) == b'{"c":2,"ab":3,"d":{"a.b":4}}'
    assert source_filter({"includes": ["a"]}).apply(text) == b'{"a.b":1}'
    assert source_filter({"excludes": ["*.a"]}).apply(text) == b'{"a.b":1,"c":2,"ab":3,"d":{}}'


@given(st.text("ab.*", max_size=9), st.text("ab.", max_size=9))
def test_stars_stand_for_any_characters(pattern: str, name: str) -> None:
    """Of a path, or of what it is below."""
    found = source_filter([pattern]).apply(json.dumps({name: 1}).encode())
    assert (found != b"{}") == (fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*"))


def test_many_stars_are_matched_at_once() -> None:
    """However many ways there are to share a name among them."""
    began = time.monotonic()
    text = b'{"%s":1}' % (b"a" * 200)
    assert source_filter({"excludes": ["*a" * 50 + "*b"]}).apply(text) == text
    assert time.monotonic() - began < 1


def test_the_engines_scores_can_be_mixed_in() -> None:
    """The plan says how much they weigh; `_score` is what the hits were ordered by."""
    hits = [
        {"_id": "a", "_score": 9.0, "_source": {"title": "x"}},
        {"_id": "b", "_score": 1.0, "_source": {"title": "q"}},
    ]
    for mix, wanted in ((NO_INTERPOLATION, ["b", "a"]), (Interpolation(9.0), ["a", "b"])):
        page = _ranked(hits, Reranker(OverlapScorer(), "{title}"), _page(0, 2, mix=mix))
        assert [hit["_id"] for hit in page["hits"]] == wanted
        assert page["max_score"] == page["hits"][0]["_score"] > page["hits"][1]["_score"]


def test_a_second_reranker_orders_the_head() -> None:
    """What the first one put below stays there."""
    hits = [{"_id": name, "_score": 1.0, "_source": {"title": name}} for name in ("long q", "q", "longer", "short")]
    reranker = Reranker(OverlapScorer(), "{title}").with_cascade(Reranker(_Shortest(), "{title}"), 2)
    page = _ranked(hits, reranker, _page(0, 4))
    assert [hit["_id"] for hit in page["hits"]] == ["q", "long q", "longer", "short"]


def _ranked(hits: Sequence[Mapping[str, Any]], reranker: Reranker, plan: Plan) -> dict[str, Any]:
    scoring = Scoring(reranker)
    ranking = Ranking(GatewayConfig(), {None: scoring})

    async def rank() -> bytes:
        until = deadline([plan])
        raw = json.dumps({"hits": {"max_score": 9.0, "hits": hits}}).encode()
        (page,) = await ranking.read([raw], [plan], many=False, until=until)
        return await ranking.written(page, (await ranking.rank(page, plan, until=until))[0], compress=False)

    try:
        return dict(json.loads(asyncio.run(rank()))["hits"])
    finally:
        scoring.close()


@pytest.mark.parametrize(
    ("asked", "rules", "mix"),
    [
        ({}, None, Interpolation(0.3, 0.4)),
        ({}, 0.1, Interpolation(0.1, 0.4)),
        ({"mix": 0.0, "feedback": 0.2}, 0.1, Interpolation(0.0, 0.2)),
    ],
)
def test_the_bundle_says_how_much_they_weigh(asked: dict[str, float], rules: float | None, mix: Interpolation) -> None:
    """Unless the index's rules do, or the search."""
    scorer = Scoring(Reranker(_Pooled(), "{title}", Interpolation(0.3, 0.4)))
    ranking = Ranking(GatewayConfig(index={"sea": Rules(mix=rules)}), {None: scorer})
    body = {"query": {"match": {"title": "tides"}}, "ext": {"relsearch": asked}}
    plan = ranking.decide(_search(body)).plan
    scorer.close()
    assert plan is not None
    assert plan.mix == mix


def test_feedback_from_a_cross_encoder_is_refused() -> None:
    """A strict search is told; others are answered in the engine's order, marked."""
    scorer = Scoring(Reranker(OverlapScorer(), "{title}"))
    body = {"query": {"match": {"title": "tides"}}}
    asked = {**body, "ext": {"relsearch": {"feedback": 0.3}}}
    strict = {**body, "ext": {"relsearch": {"feedback": 0.3, "strict": True}}}
    ranking = Ranking(GatewayConfig(), {None: scorer})
    with pytest.raises(BadAskError, match="cross-encoder"):
        ranking.decide(_search(strict))
    assert ranking.decide(_search(asked)).mark == "bypassed; reason=feedback"
    ruled = Ranking(GatewayConfig(index={"sea": Rules(feedback=0.3)}), {None: scorer})
    assert ruled.decide(_search(body)).mark == "bypassed; reason=feedback"
    scorer.close()


def _search(body: dict[str, Any]) -> Search:
    return Search("sea", body, (), json.dumps(body))


class _Shortest:
    """Prefers short texts."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """A probability that falls with the length."""
        return [1 / (1 + len(text)) for text in texts]


class _Pooled(OverlapScorer):
    """A scorer that knows a vector of each text."""

    def mean_vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one row a text."""
        return np.ones((len(texts), 2))


def test_the_engines_rank_and_score_are_kept_on_request() -> None:
    """Under fields, beside those that the client asked for."""
    for fields, others in (({"fields": {"x": [1]}}, {"x": [1]}), ({"fields": {}}, {}), ({}, {})):
        answer = {"hits": {"max_score": 3.0, "hits": [{"_id": "a", "_score": 3.0, **fields}]}}
        (hit,) = _hits(_reranked(answer, _page(0, 1, original=True), placed({0: 0.5}, range(1))))
        assert hit["fields"] == {**others, "relsearch.rank": [1], "relsearch.score": [3.0]}
        assert hit["_score"] == 0.5


def test_the_engines_own_page_is_cut_from_the_window() -> None:
    """A failed reranking costs nothing that was asked for, and shows nothing that was not."""
    hits = [{"_id": str(n), "_score": 9.0 - n, "_source": {"title": "t", "tag": "x"}} for n in range(9)]
    plan = _page(2, 2, source=SourceFilter(includes=("tag",)))
    page = read_page(json.dumps({"took": 1, "hits": {"max_score": 9.0, "hits": hits}}).encode(), plan=plan, most=10)
    wanted = [{"_id": str(n), "_score": 9.0 - n, "_source": {"tag": "x"}} for n in (2, 3)]
    found = json.loads(edited(page.text, engines_own(page, plan)))
    assert found == {"took": 1, "hits": {"max_score": 9.0, "hits": wanted}}


def _page(start: int, size: int, *, window: int = 100, **more: Any) -> Plan:
    source = more.get("source", SourceFilter())
    rules = Rules(window=window, original=more.get("original", False))
    return Plan("{}", (), "q", rules, "{title}", more.get("mix", NO_INTERPOLATION), start, size, source)


def test_a_breaker_opens_after_failures_in_a_row_and_probes_once() -> None:
    """One success closes it; while half-open nobody else is let through, and a failed probe opens it again."""
    now = [0.0]
    breaker = Breaker(failures=2, cool_s=10, clock=lambda: now[0])
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert [breaker.state] == ["closed"]
    breaker.failed()
    assert [breaker.state, breaker.take_probe()] == ["open", False]
    now[0] = 10.0
    assert [breaker.take_probe(), breaker.take_probe(), breaker.state] == [True, False, "half-open"]
    breaker.failed()
    assert [breaker.state, breaker.take_probe()] == ["open", False]
    now[0] = 20.0
    assert breaker.take_probe()
    breaker.succeeded()
    assert [breaker.state, breaker.take_probe()] == ["closed", False]


def test_many_marks_are_counted() -> None:
    """A multi-search says how many of its searches were reranked, and why others were not."""
    marks = ["reranked; read=3/9", "", "reranked; read=9/9", "bypassed; reason=deadline"]
    assert summary(marks) == "bypassed; reason=deadline; searches=1, reranked; searches=2"


def test_a_gateway_without_a_configuration_reranks_on_request_only() -> None:
    """No index has rules."""
    assert GatewayConfig().rules_for("any") is None
