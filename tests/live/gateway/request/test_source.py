"""Which part of the documents a search asks for: in its body, in its URL, or by asking for other fields alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relsearch.live.gateway.answer.source import SourceFilter
from relsearch.live.gateway.config import Rules
from relsearch.live.gateway.request.ask import Ask
from relsearch.live.gateway.request.rewrite import Plan, Search, plan
from relsearch.rerank.interpolation import NO_INTERPOLATION

MATCH = {"query": {"match": {"text": "tides"}}}


def _plan(body: dict[str, Any], parameters: dict[str, str] | None = None) -> Plan:
    search = Search("sea", body, tuple((parameters or {}).items()), json.dumps(body))
    return plan(search, Ask(), Rules(), "{text}", NO_INTERPOLATION)


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"_source": "false"}, SourceFilter(wanted=False)),
        ({"_source": "false", "_source_includes": "a"}, SourceFilter(wanted=False)),
        ({"_source": "false", "_source_excludes": "a"}, SourceFilter(wanted=False)),
        ({"_source": "true", "_source_excludes": "a"}, SourceFilter(excludes=("a",))),
        ({"_source": "a", "_source_excludes": "a.b,a.c"}, SourceFilter(includes=("a",), excludes=("a.b", "a.c"))),
        ({"_source": "a", "_source_includes": "b"}, SourceFilter(includes=("b",))),
        ({"_source": ""}, SourceFilter()),
        ({"_source_includes": ""}, SourceFilter()),
        ({"routing": "r"}, SourceFilter(includes=("tag",))),
    ],
)
def test_the_url_filters_the_source_as_in_the_engines(parameters: dict[str, str], wanted: SourceFilter) -> None:
    """A flag or includes, includes that go before those, and excludes, all in place of what the body says."""
    assert _plan({**MATCH, "_source": "tag"}, parameters).source == wanted


@pytest.mark.parametrize(
    ("fields", "wanted"), [([], False), (["tag"], False), ("tag", False), (["_source", "tag"], True), ("_source", True)]
)
def test_stored_fields_may_name_the_source(fields: str | list[str], wanted: bool) -> None:
    """Without it there is none, even where no field is named."""
    assert _plan({**MATCH, "stored_fields": fields}).source == SourceFilter(wanted=wanted)
    if fields:
        named = fields if isinstance(fields, str) else ",".join(fields)
        assert _plan(MATCH, {"stored_fields": named}).source == SourceFilter(wanted=wanted)


@pytest.mark.parametrize("extra", [{"stored_fields": ["tag"]}, {"script_fields": {"x": {"script": "1"}}}])
def test_a_search_for_other_fields_alone_gets_no_source(extra: dict[str, Any]) -> None:
    """As the engines do, unless `_source` is asked for beside them."""
    assert not _plan({**MATCH, **extra}).source.wanted
    assert _plan({**MATCH, **extra, "_source": True}).source.wanted
