"""Widening a search: what goes to the engine, and what is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from relsearch.index.engine.http import DOC_ID
from relsearch.live.gateway.config import CLAUSES, Rules
from relsearch.live.gateway.refusals import BadAskError, NotRerankedError, UnsupportedError
from relsearch.live.gateway.request.ask import Ask, take_ask
from relsearch.live.gateway.request.query_text import query_text, without_operators
from relsearch.live.gateway.request.rewrite import Plan, Search, plan
from relsearch.rerank.interpolation import NO_INTERPOLATION

MATCH = {"query": {"match": {"text": "tides"}}}
TEMPLATE = "{title}\n{text}"
# The reranker's fields, also where an index that relsearch made has them.
READ = [DOC_ID, "fields.text", "fields.title", "text", "title"]


def _plan(body: dict[str, Any], parameters: dict[str, str] | None = None, *, rules: Rules | None = None) -> Plan:
    search = Search("sea", body, tuple((parameters or {}).items()), json.dumps(body))
    return plan(search, Ask(), rules or Rules(), TEMPLATE, NO_INTERPOLATION)


def _sent(planned: Plan) -> dict[str, Any]:
    return dict(json.loads(planned.body))


def test_a_search_is_widened_to_the_window() -> None:
    """The engine is asked for the whole window from the first hit; everything else stays."""
    body = {**MATCH, "from": 20, "size": 5, "aggs": {"a": {"terms": {"field": "tag"}}}, "track_total_hits": True}
    assert _sent(_plan(body)) == {**body, "from": 0, "size": 100, "_source": True}


def test_what_is_widened_is_not_written_anew() -> None:
    """Long numbers, escapes and names that no version knows reach the engine as the client wrote them."""
    text = '{"query":{"match":{"text":"tides"}},"size": 5,"k":12345678901234567890.10, "\\u00e9":1e400}'
    planned = plan(Search("sea", json.loads(text), (), text), Ask(), Rules(), TEMPLATE, NO_INTERPOLATION)
    kept = '"query":{"match":{"text":"tides"}},"k":12345678901234567890.10,"\\u00e9":1e400'
    assert planned.body == "{" + kept + ',"from":0,"size":100,"_source":true}'


def test_a_page_that_reaches_past_the_window_is_fetched_whole() -> None:
    """Hits past the window are wanted as well, though they are not reranked."""
    assert _plan({**MATCH, "from": 95, "size": 20}).size == 20
    assert _sent(_plan({**MATCH, "from": 95, "size": 20}))["size"] == 115


def test_parameters_of_the_url_go_before_the_body() -> None:
    """As in the engines; those that moved into the body leave the URL."""
    parameters = {"size": "7", "from": "3", "routing": "r", "_source": "title"}
    planned = _plan({**MATCH, "from": 1, "size": 1}, parameters)
    assert (planned.start, planned.size, planned.parameters) == (3, 7, (("routing", "r"),))
    assert _sent(planned)["_source"] == READ


@pytest.mark.parametrize(
    ("asked", "fetched"),
    [
        (None, True),
        (True, True),
        (False, READ),
        ("tag", sorted(["tag", *READ])),
        (["a.*", "b"], sorted(["a.*", "b", *READ])),
        ({"includes": ["tag"], "excludes": ["text"]}, sorted(["tag", *READ])),
        ({"excludes": ["text"]}, True),
        ({"exclude_vectors": 0, "includes": "a"}, {"exclude_vectors": 0, "includes": sorted(["a", *READ])}),
        ({"exclude_vectors": True}, {"exclude_vectors": True}),
    ],
)
def test_the_fields_that_reranking_reads_are_fetched(asked: object, fetched: object) -> None:
    """Whatever the client filters, the reranker's fields come from the engine."""
    assert _sent(_plan({**MATCH, "_source": asked}))["_source"] == fetched


def test_fields_may_stand_elsewhere_in_the_source() -> None:
    """A template field is fetched from the path that the rules name."""
    rules = Rules(fields={"text": "body.content"})
    assert _sent(_plan({**MATCH, "_source": False}, rules=rules))["_source"] == [
        "body.content",
        DOC_ID,
        "fields.body.content",
        "fields.title",
        "title",
    ]


@pytest.mark.parametrize(
    "extra",
    [
        {"sort": [{"date": "desc"}]},
        {"sort": ["_score", "date"]},
        {"sort": [{"_score": "asc"}]},
        {"search_after": [1]},
        {"rescore": {"query": {}}},
        {"retriever": {"text_similarity_reranker": {"retriever": {"standard": {}}}}},
        {"slice": {"id": 0, "max": 2}},
        {"stored_fields": "_none_"},
        {"size": "many"},
        {"size": float("inf")},
        {"from": -1},
        {"_source": ["a*b"] * 201},
        {"_source": {"includes": ["a" * 5_000], "excludes": ["*b" * 2_501]}},
    ],
)
def test_what_reranking_would_break_is_refused(extra: dict[str, Any]) -> None:
    """The error names the key that stands in the way."""
    with pytest.raises(UnsupportedError) as refused:
        _plan({**MATCH, **extra})
    assert refused.value.reason == next(iter(extra))


@pytest.mark.parametrize("extra", [{"sort": [{"date": "asc"}]}, {"search_after": [1], "sort": ["_score"]}])
def test_a_standard_retriever_may_have_no_other_order(extra: dict[str, Any]) -> None:
    """It says in itself what a search without retrievers says in its body."""
    with pytest.raises(UnsupportedError) as refused:
        _plan({"retriever": {"standard": {**MATCH, **extra}}})
    assert refused.value.reason == next(iter(extra))
    assert _plan({"retriever": {"standard": {**MATCH, "sort": ["_score"]}}}).query == "tides"


@pytest.mark.parametrize("parameter", ["scroll", "filter_path", "format", "sort"])
def test_parameters_that_reranking_would_break_are_refused(parameter: str) -> None:
    """Cursors, other orders and answers that cannot be read."""
    with pytest.raises(UnsupportedError) as refused:
        _plan(MATCH, {parameter: "yaml"})
    assert refused.value.reason == parameter


@pytest.mark.parametrize("order", ["_score", [], ["_score"], [{"_score": "desc"}], {"_score": {"order": "desc"}}])
def test_a_sort_by_score_is_no_other_order(order: object) -> None:
    """It says what is so without it."""
    assert _plan({**MATCH, "sort": order}).size == 10


@pytest.mark.parametrize(
    ("extra", "reason"),
    [({"size": 0}, "no_hits_wanted"), ({"query": {"match_all": {}}}, "no_query")],
)
def test_a_search_with_nothing_to_rerank_is_left_alone(extra: dict[str, Any], reason: str) -> None:
    """The reason is told, none of it is an error of the reranker."""
    with pytest.raises(NotRerankedError) as left:
        _plan({**MATCH, **extra})
    assert left.value.reason == reason


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"match": {"text": "tides"}}, "tides"),
        ({"match": {"text": {"query": "tides", "operator": "and"}}}, "tides"),
        ({"multi_match": {"query": "tides", "fields": ["a", "b"]}}, "tides"),
        (
            {"query_string": {"query": 'text:tides AND (+moon^2 OR "full moon"~2) -title:sun NOT war'}},
            "tides moon full moon",
        ),
        ({"query_string": {"query": "tides -(sun (or stars) war) -(sky) well-known"}}, "tides well-known"),
        ({"query_string": {"query": "*"}}, ""),
        ({"query_string": {"query": "tid* AND year:[1990 TO 2000] /w.*r/ well-known"}}, "tid well-known"),
        ({"simple_query_string": {"query": "tides"}}, "tides"),
        ({"function_score": {"query": {"match": {"text": "tides"}}}}, "tides"),
        ({"term": {"tag": "tides"}}, ""),
        ({"match": {"tag.keyword": "tides"}}, ""),
        ({"constant_score": {"filter": {"match": {"text": "tides"}}}}, ""),
        ({"more_like_this": {"fields": ["text"], "like": ["tides", {"_index": "sea", "_id": "1"}]}}, "tides"),
        ({"more_like_this": {"fields": ["text"], "like": {"_index": "sea", "_id": "query"}}}, ""),
        ({"percolate": {"field": "q", "document": {"query": {"match": {"text": "tides"}}}}}, ""),
        (
            {
                "script_score": {
                    "query": {"match": {"text": "tides"}},
                    "script": {"source": "1", "params": {"query": {"match": {"text": "moon"}}}},
                }
            },
            "tides",
        ),
        (
            {
                "function_score": {
                    "query": {"match": {"text": "tides"}},
                    "functions": [{"filter": {"match": {"kind": "a"}}, "weight": 2}],
                }
            },
            "tides",
        ),
        ({"boosting": {"positive": {"match": {"text": "tides"}}, "negative": {"match": {"text": "moon"}}}}, "tides"),
        ({"dis_max": {"queries": [{"match": {"a": "tides"}}, {"match": {"b": "moon"}}]}}, "tides moon"),
        ({"nested": {"path": "a", "query": {"match_phrase_prefix": {"a.b": "tides"}}}}, "tides"),
        ({"combined_fields": {"query": "tides", "fields": ["a"]}}, "tides"),
        ({"semantic": {"field": "a", "query": "tides"}}, "tides"),
        ({"sparse_vector": {"field": "a", "inference_id": "i", "query": "tides"}}, "tides"),
        ({"neural": {"a": {"query_text": "tides", "model_id": "m", "k": 5}}}, "tides"),
        ({"hybrid": {"queries": [{"match": {"a": "tides"}}, {"neural": {"a": {"query_text": "moon"}}}]}}, "tides moon"),
        ({"knn": {"query_vector_builder": {"text_embedding": {"model_id": "m", "model_text": "tides"}}}}, "tides"),
        ({"knn": {"field": "v", "query_vector": [1.0]}}, ""),
        ({"intervals": {"text": {"all_of": {"intervals": [{"match": {"query": "tides"}}]}}}}, "tides"),
        (
            {
                "bool": {
                    "must": [{"match": {"title": "tides"}}],
                    "should": [{"match_phrase": {"text": "tides"}}, {"match": {"text": "moon"}}],
                    "filter": [{"match": {"tag": "x"}}],
                    "must_not": {"match": {"tag": "y"}},
                }
            },
            "tides moon",
        ),
    ],
)
def test_the_query_text_is_what_the_search_is_for(query: dict[str, Any], text: str) -> None:
    """Distinct texts in the order of the body; filters and exclusions say nothing of it."""
    assert query_text(query, CLAUSES) == text


@pytest.mark.parametrize(
    "part", ["[ TO ", "[TO{", r"\/", "/", " -(", ' -"a" (', "NOT ", "NOT \t", "~1", "^1.", "a-", "a b"]
)
def test_a_clause_that_never_closes_is_read_at_once(part: str) -> None:
    """However long it is: the words of all searches are found on one thread."""
    began = time.monotonic()
    without_operators(part * 5000)
    assert time.monotonic() - began < 1


def test_retrievers_and_knn_searches_are_read() -> None:
    """Those that find rather than rerank; each query in them once."""
    standard = {"standard": {"query": {"match": {"text": "tides"}}, "filter": {"match": {"tag": "x"}}}}
    knn = {"knn": {"query_vector_builder": {"text_embedding": {"model_text": "moon"}}}}
    for retriever in (
        {"rrf": {"retrievers": [standard, knn]}},
        {"linear": {"retrievers": [{"retriever": standard, "weight": 2}, {"retriever": knn, "weight": 1}]}},
    ):
        assert _plan({"retriever": retriever}).query == "tides moon"
    assert _plan({"retriever": standard}).query == "tides"
    assert _plan({**MATCH, **knn}).query == "tides moon"


def test_the_words_may_be_said_outright() -> None:
    """By the search, else where the rules say that they stand."""
    body = {**MATCH, "suggest": {"text": "high tides"}}
    rules = Rules(query_path="suggest.text")
    assert _plan(body, rules=rules).query == "high tides"
    assert _plan(MATCH, rules=rules).query == "tides"
    search = Search("sea", body, (), json.dumps(body))
    assert plan(search, Ask(query="why"), rules, TEMPLATE, NO_INTERPOLATION).query == "why"


def test_only_the_named_clauses_are_read() -> None:
    """The rules can narrow down where the text comes from."""
    query = {"bool": {"must": [{"match": {"a": "one"}}, {"query_string": {"query": "two"}}]}}
    assert query_text(query, ("query_string",)) == "two"


def test_the_ask_is_taken_out_of_the_body() -> None:
    """Elasticsearch refuses an ext that it does not know; another plugin's stays."""
    for text, found in (
        ('{"ext":{"relsearch":{}},"size":1.0}', (Ask(), '{"size":1.0}')),
        ('{"ext":{"relsearch":false,"rerank":1e400}}', (False, '{"ext":{"rerank":1e400}}')),
        ('{"ext":{"rerank":1}}', (None, '{"ext":{"rerank":1}}')),
    ):
        assert take_ask(json.loads(text), text) == found


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ({"windw": 5}, "did you mean 'window'?"),
        ({"window": "5"}, "window"),
        (3, "ext.relsearch"),
        ({"query": ""}, "query"),
    ],
)
def test_a_malformed_ask_is_explained(value: object, hint: str) -> None:
    """Unknown keys and wrong types are the client's error."""
    with pytest.raises(BadAskError, match=r"ext\.relsearch") as refused:
        take_ask({"ext": {"relsearch": value}}, json.dumps({"ext": {"relsearch": value}}))
    assert hint in str(refused.value)


def test_an_ask_keeps_to_the_rules_ranges() -> None:
    """A request cannot ask for more than a configuration could."""
    assert Ask(window=7).apply(Rules(budget_ms=9)).window == 7
    with pytest.raises(BadAskError, match="window"):
        Ask(window=10**6).apply(Rules())
    with pytest.raises(BadAskError, match="template: String should have at most 2000 characters"):
        Ask(template="{t}" * 700).apply(Rules())
    with pytest.raises(BadAskError, match="fields"):
        Ask(fields={"t": "a." * 200}).apply(Rules())
    with pytest.raises(BadAskError, match=r"fields: .* has more than 20 dots"):
        Ask(fields={"t": "a" + ".a" * 21}).apply(Rules())
    with pytest.raises(BadAskError, match=r"template: .*names more than 16 fields"):
        Ask(template="".join(f"{{t{number}}}" for number in range(17))).apply(Rules())


def test_a_query_is_no_longer_than_a_model_reads() -> None:
    """A pair is made of it and each hit."""
    assert len(_plan({"query": {"match": {"text": "tides " * 100_000}}}).query) == 1 << 15
