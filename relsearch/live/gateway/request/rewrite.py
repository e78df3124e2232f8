"""Widen a search to the rerank window, and remember what the client asked for.

Refused, because reranking would break them or they would break it: another order (`sort`, `search_after`, `rescore`,
`rank`, a retriever that reranks or sorts), cursors (`scroll`, `slice`), answers that cannot be read (`filter_path`,
`format`) and `_source` switched off through `stored_fields: _none_`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relsearch.core.fields.field_texts import path_text
from relsearch.index.engine.hits import source_paths, template_paths
from relsearch.live.gateway.answer.source import SourceFilter, source_filter
from relsearch.live.gateway.config import Rules
from relsearch.live.gateway.json_slices import with_members
from relsearch.live.gateway.refusals import NotRerankedError, UnsupportedError
from relsearch.live.gateway.request.ask import Ask, take_ask
from relsearch.live.gateway.request.query_text import query_text, without_operators
from relsearch.rerank.interpolation import Interpolation

_DEFAULT_SIZE = 10
_LONGEST_QUERY = 1 << 15  # characters; models read less, and pairs with every hit are made of it
_OTHER_ORDER = ("search_after", "rescore", "rank", "slice")
_RETRIEVERS = frozenset({"standard", "knn", "rrf", "linear"})  # the others rerank or pin themselves
_UNREADABLE = ("scroll", "filter_path", "format")
_MOVED = frozenset({"from", "size", "source", "source_content_type", "_source", "_source_includes", "_source_excludes"})
Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A search as it came: its index expression, its body, the parameters of its URL and the body's JSON text."""

    target: str
    body: Mapping[str, Any]
    parameters: Parameters = ()
    text: str = "{}"

    def parameter(self, name: str) -> str | None:
        """Return the last value of a parameter of the URL, or None."""
        return dict(self.parameters).get(name)


@dataclass(frozen=True, slots=True)
class Plan:
    """A widened search, and what turns its answer into the one the client wants."""

    body: str
    parameters: Parameters
    query: str
    rules: Rules
    template: str
    mix: Interpolation
    start: int
    size: int
    source: SourceFilter
    past: bool = False  # the page starts past the window: it is the engine's own, with scores that go on decreasing


def stripped(search: Search) -> tuple[Ask | bool | None, Search]:
    """Return what the body asks of the gateway, and the search as the engine accepts it."""
    ask, text = take_ask(search.body, search.text)
    body = {name: value for name, value in search.body.items() if ask is None or name != "ext"}
    return ask, Search(search.target, body, search.parameters, text)


def plan(search: Search, ask: Ask, rules: Rules, template: str, mix: Interpolation) -> Plan:
    """Plan the reranking of a stripped search; raise NotRerankedError where nothing is to be reranked, or cannot be."""
    _check(search)
    start, size = _number(search, "from", 0), _number(search, "size", _DEFAULT_SIZE)
    if size == 0:
        raise NotRerankedError("no_hits_wanted")
    words = (ask.query or _words(search, rules))[:_LONGEST_QUERY]
    if not words.strip():
        raise UnsupportedError("no_query", "no query text was found; give ext.relsearch.query")
    wanted = _source(search)
    if wanted.is_long:
        raise UnsupportedError("_source", "_source has too many or too long paths; name fewer")
    if start >= rules.window:
        return Plan(search.text, search.parameters, words, rules, template, mix, start, size, wanted, past=True)
    fetched = wanted.with_paths(source_paths(template_paths(template, rules.fields)))
    changes = {"from": 0, "size": max(rules.window, start + size), "_source": fetched}
    body = with_members(search.text, {name: json.dumps(value) for name, value in changes.items()})
    kept = tuple((name, value) for name, value in search.parameters if name not in _MOVED)
    return Plan(body, kept, words, rules, template, mix, start, size, wanted)


def _words(search: Search, rules: Rules) -> str:
    """What the search is for: where the rules say, in the URL, or in the clauses that score."""
    if rules.query_path and (words := path_text(search.body, rules.query_path)):
        return words
    if q := search.parameter("q"):
        return without_operators(q)
    parts = [{name: search.body[name]} for name in ("query", "knn", "retriever") if name in search.body]
    return query_text(parts, rules.query_from)


def _check(search: Search) -> None:
    retriever = search.body.get("retriever")
    if isinstance(retriever, dict) and not _RETRIEVERS.issuperset(retriever):
        raise UnsupportedError("retriever", f"the retriever {next(iter(retriever))} has an order of its own")
    standard = retriever.get("standard") if isinstance(retriever, dict) else None
    ordering = [search.body, standard] if isinstance(standard, dict) else [search.body]
    for name in _OTHER_ORDER:
        if any(each.get(name) is not None for each in ordering):
            raise UnsupportedError(name, f"{name} cannot be joined with reranking; leave one of them out")
    for name in _UNREADABLE:
        if search.parameter(name) not in (None, "json"):
            raise UnsupportedError(name, f"the parameter {name} cannot be joined with reranking; leave one of them out")
    orders = [*(each.get("sort") for each in ordering), search.parameter("sort")]
    if any(order is not None and not _by_score(order) for order in orders):
        raise UnsupportedError(
            "sort", "sort and reranking are two orders; leave one of them out, or page with from and size"
        )
    if "_none_" in str(search.body.get("stored_fields", search.parameter("stored_fields"))):
        raise UnsupportedError("stored_fields", "stored_fields _none_ hides the _source that reranking reads")


def _by_score(order: object) -> bool:
    """Whether a sort only says what is so without it."""
    if isinstance(order, list):
        return not order or (len(order) == 1 and _by_score(order[0]))
    if isinstance(order, dict):
        return list(order) == ["_score"] and order["_score"] in ("desc", {"order": "desc"}, {})
    return order in ("_score", "_score:desc")


def _number(search: Search, name: str, default: int) -> int:
    value = search.parameter(name)
    given = search.body.get(name) if value is None else value
    try:
        number = default if given is None else int(given)
    except (TypeError, ValueError, OverflowError):
        raise UnsupportedError(name, f"{name} is not a whole number") from None
    if number < 0:
        raise UnsupportedError(name, f"{name} is below 0")
    return number


def _source(search: Search) -> SourceFilter:
    """The parameters of the URL go before the body; `stored_fields` or `script_fields` alone mean no `_source`.

    In the URL `_source` is a flag or includes, which `_source_includes` goes before; excludes are added.
    """
    given = value, includes, excludes = [search.parameter(f"_source{each}") for each in ("", "_includes", "_excludes")]
    if value == "false":
        return SourceFilter(wanted=False)
    if given != [None] * 3:
        named = value if includes is None and value != "true" else includes
        return SourceFilter(includes=_listed(named), excludes=_listed(excludes))
    if "_source" not in search.body and (search.body.get("script_fields") or _other_fields_alone(search)):
        return SourceFilter(wanted=False)
    return source_filter(search.body.get("_source"))


def _other_fields_alone(search: Search) -> bool:
    """Whether stored fields are asked for, be it none, and `_source` is not among them."""
    fields = _listed(search.parameter("stored_fields")) or search.body.get("stored_fields")
    return fields is not None and "_source" not in (fields if isinstance(fields, list | tuple) else [fields])


def _listed(value: str | None) -> tuple[str, ...]:
    """The parts of a parameter of the URL, as Java splits it: none that is empty at its end."""
    kept = (value or "").rstrip(",")
    return tuple(kept.split(",")) if kept else ()
