"""A search through an Elasticsearch or OpenSearch client, reranked on the caller's side; no licence, no server of ours.

The functions are relsearch.search and relsearch.search_async; a module called `search` would hide them.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from textwrap import shorten
from threading import Event
from typing import Any, Unpack

from relsearch.core.display.html_table import html_table
from relsearch.core.display.text_table import number
from relsearch.core.errors import ConfigError, FieldsError, SearchEngineError, reason
from relsearch.core.fields.template import template_fields
from relsearch.core.forks import call_after_fork
from relsearch.core.types import StrPath
from relsearch.index.engine.field_check import check_searchable, field_types
from relsearch.index.engine.hits import engine_scores, hit_fields, no_text_error
from relsearch.index.engine.http import match_body
from relsearch.live.policy import Policy, open_reranker
from relsearch.rerank.partly import PartlyRead, placed
from relsearch.rerank.reranker import Reranker

Fields = Mapping[str, str] | Sequence[str] | None

_THREADS = 4
_READING = 0.9  # of a budget: afterwards scores are computed and hits put in order
_SHOWN = 160  # characters of a hit in a notebook


@dataclass(frozen=True, slots=True)
class Hit:
    """A document with the engine's rank (from 1) and score, and the reranker's P(relevant), None if not scored."""

    doc_id: str
    index: str
    score: float | None
    engine_rank: int
    engine_score: float
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and milliseconds of both steps; unless `reranked`, in the engine's order for the `reason`.

    `read` is how many hits of the window the reranker read within the budget; the others have no score and keep their
    places.
    """

    hits: tuple[Hit, ...]
    reranked: bool
    reason: str | None
    engine_ms: float
    rerank_ms: float
    read: int = 0

    def _repr_html_(self) -> str:
        """Return the hits as a table, as a notebook shows them: ranks, scores, ids and the start of each text."""
        order = "reranked" if self.reranked else f"the engine's order: {self.reason}"
        return html_table(
            ["rank", "engine's rank", "P(relevant)", "engine's score", "document", "text"],
            [
                [
                    str(rank),
                    str(hit.engine_rank),
                    number(hit.score),
                    number(hit.engine_score),
                    hit.doc_id,
                    shorten(" ".join(map(str, hit.source.values())), _SHOWN, placeholder=" […]"),
                ]
                for rank, hit in enumerate(self.hits, 1)
            ],
            caption=f"{order}; engine {self.engine_ms:.0f} ms, reranking {self.rerank_ms:.0f} ms",
        )


def search(
    client: Any,
    index: str,
    query: str,
    *,
    bundle: StrPath | Reranker,
    fields: Fields = None,
    size: int = 10,
    window: int = 100,
    budget_ms: float | None = None,
    min_score: float | None = None,
    engine_query: Mapping[str, Any] | None = None,
    **policy: Unpack[Policy],
) -> SearchResult:
    """Search by an Elasticsearch or OpenSearch client and rerank its first `window` hits with a bundle.

    `bundle` is a folder, `ready`, or a Reranker that is open. `fields` are those of the bundle's template; a mapping
    gives their paths in the index, e.g. {"title": "headline"}. `engine_query` replaces the first stage's multi_match.
    `min_score` leaves out hits with a lower P(relevant), and those that were not read. Within `budget_ms` as many hits
    are read as fit, the most promising first; where none is, the reranker cannot stop in time (torch, a cascade), or it
    fails, the result has the engine's order and the reason. `policy` is described at Policy.

    The client's own errors pass through. Raise ArtifactError for a broken bundle; FieldsError where the template has
    none of the fields, or nothing is found and none of them is a text field of the index; ConfigError where the two
    bundles' templates differ, a weight or size is below 0, a window below 1, or vectors are given for a cross-encoder
    or an opened bundle; TypeError for an unknown keyword.
    """
    reranker = open_reranker(bundle, policy)
    plan = _plan(query, reranker, fields, size=size, window=window, min_score=min_score, engine_query=engine_query)
    plan = replace(plan, budget_ms=budget_ms, weights_fixed=policy.get("mix") is not None)
    started_s = time.monotonic()
    hits = _hits(client.search(index=index, body=plan.body))
    if not hits and not engine_query:
        check_searchable(field_types(client.field_caps(index=index, fields="*")), index, plan.names.values())
    searched_s = time.monotonic()
    stop = Event()
    job = partial(plan.reorder, hits, stop, searched_s)
    try:
        found = job() if budget_ms is None else _pool().submit(job).result(budget_ms / 1000)
    except Exception as exc:  # reranking never loses a search, whatever a scorer raises
        return plan.result(hits, None, _reason(exc, budget_ms), started_s, searched_s)
    finally:
        stop.set()
    return plan.result(hits, found, plan.reason(found), started_s, searched_s)


async def search_async(
    client: Any,
    index: str,
    query: str,
    *,
    bundle: StrPath | Reranker,
    fields: Fields = None,
    size: int = 10,
    window: int = 100,
    budget_ms: float | None = None,
    min_score: float | None = None,
    engine_query: Mapping[str, Any] | None = None,
    **policy: Unpack[Policy],
) -> SearchResult:
    """Do as `search` by an asynchronous client; scoring runs in a thread and leaves the event loop free."""
    loop = asyncio.get_running_loop()
    reranker = await loop.run_in_executor(_pool(), open_reranker, bundle, policy)
    plan = _plan(query, reranker, fields, size=size, window=window, min_score=min_score, engine_query=engine_query)
    plan = replace(plan, budget_ms=budget_ms, weights_fixed=policy.get("mix") is not None)
    started_s = time.monotonic()
    hits = _hits(await client.search(index=index, body=plan.body))
    if not hits and not engine_query:
        check_searchable(field_types(await client.field_caps(index=index, fields="*")), index, plan.names.values())
    searched_s = time.monotonic()
    stop = Event()
    scoring = loop.run_in_executor(_pool(), plan.reorder, hits, stop, searched_s)
    try:
        found = await asyncio.wait_for(scoring, None if budget_ms is None else budget_ms / 1000)
    except Exception as exc:  # as above; a cancelled search is no Exception and stays cancelled
        return plan.result(hits, None, _reason(exc, budget_ms), started_s, searched_s)
    finally:
        stop.set()
    return plan.result(hits, found, plan.reason(found), started_s, searched_s)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One search: what the engine is asked, and how its hits become texts and a new order."""

    query: str
    reranker: Reranker
    names: Mapping[str, str]
    size: int
    window: int
    min_score: float | None
    body: Mapping[str, Any]
    budget_ms: float | None = None
    weights_fixed: bool = False

    def reorder(self, hits: Sequence[Mapping[str, Any]], stop: Event, searched_s: float) -> PartlyRead:
        """Return the window's new order, as far as the budget goes; raise where the reranker fails or is too late."""
        texts = [self.reranker.render(hit_fields(hit, self.names)) for hit in hits[: self.window]]
        if texts and not any(texts):
            raise no_text_error(hits, self.names, "set fields to the paths of what the bundle reads")
        engines = engine_scores(hits[: self.window])
        if self.budget_ms is not None and self.reranker.stops_in_time:
            left_ms = _READING * self.budget_ms - 1000 * (time.monotonic() - searched_s)
            return self.reranker.place_within(
                self.query, texts, engines, budget_ms=max(left_ms, 0.0), weights_fixed=self.weights_fixed
            )

        def check() -> None:
            if stop.is_set():
                raise TimeoutError

        scores = dict(enumerate(self.reranker.score_pool(self.query, texts, engines, between=check)))
        return PartlyRead(placed(scores, range(len(texts))), scores)

    def reason(self, found: PartlyRead) -> str | None:
        """Return why the hits have the engine's order, None where they do not."""
        return _too_late(self.budget_ms) if found.order and not found.read else None

    def result(
        self,
        hits: Sequence[Mapping[str, Any]],
        found: PartlyRead | None,
        reason: str | None,
        started_s: float,
        searched_s: float,
    ) -> SearchResult:
        """Return the first `size` hits: the window in its new order, then what lies below it.

        Where the window was reranked and there is a lowest score, only hits that have it are left.
        """
        read = found.read if found else {}
        reranked = found is not None and reason is None
        window = [place for place, _ in found.order] if found and reranked else range(min(self.window, len(hits)))
        engines = engine_scores(hits)
        ranked = [
            Hit(hit["_id"], hit["_index"], read.get(place), place + 1, engines[place], hit.get("_source") or {})
            for place in [*window, *range(len(window), len(hits))]
            for hit in [hits[place]]
        ]
        if reranked and self.min_score is not None:
            ranked = [hit for hit in ranked if hit.score is not None and hit.score >= self.min_score]
        engine_ms, rerank_ms = 1000 * (searched_s - started_s), 1000 * (time.monotonic() - searched_s)
        return SearchResult(tuple(ranked[: self.size]), reranked, reason, engine_ms, rerank_ms, len(read))


def _plan(
    query: str,
    reranker: Reranker,
    fields: Fields,
    *,
    size: int,
    window: int,
    min_score: float | None,
    engine_query: Mapping[str, Any] | None,
) -> _Plan:
    for name, value, least in (("window", window, 1), ("size", size, 0)):
        if value < least:
            raise ConfigError(f"{name} {value}: give {least} or more")
    names = _names(fields, template_fields(reranker.template))
    searched = {"query": engine_query} if engine_query else match_body(query, names.values())
    body = {**searched, "size": max(size, window)}
    return _Plan(query, reranker, names, size, window, min_score, body)


def _names(fields: Fields, wanted: tuple[str, ...]) -> Mapping[str, str]:
    if fields is None:
        return {name: name for name in wanted}
    names = dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields}
    if not set(names) & set(wanted):
        path = next(iter(names), "body")
        raise FieldsError(
            f"fields name {', '.join(names) or 'nothing'}, but the bundle reads {', '.join(wanted)}",
            in_python=f"give their paths, e.g. fields={{{wanted[-1]!r}: {path!r}}}",
            in_shell=f"give their paths, e.g. --field {wanted[-1]}={path}",
        )
    return names


def _hits(response: Any) -> list[Mapping[str, Any]]:
    try:
        found: list[Mapping[str, Any]] = response["hits"]["hits"]
    except (KeyError, TypeError) as exc:
        raise SearchEngineError("the answer to the search has no hits; is this a search engine?") from exc
    return found


def _reason(exc: Exception, budget_ms: float | None) -> str:
    if isinstance(exc, TimeoutError) and budget_ms is not None:
        return _too_late(budget_ms)
    return f"{type(exc).__name__}: {reason(exc)}"


def _too_late(budget_ms: float | None) -> str:
    return f"the reranker took longer than {budget_ms:g} ms"


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="relsearch")


call_after_fork(_pool.cache_clear)


def __getattr__(name: str) -> object:
    """Give SearchResult by its former name, Found, with a warning."""
    if name == "Found":
        warnings.warn("Found is now called SearchResult", DeprecationWarning, stacklevel=2)
        return SearchResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
