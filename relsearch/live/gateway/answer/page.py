"""The answer to a widened search, turned into the page that the client asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relsearch.index.engine.hits import engine_scores
from relsearch.live.gateway.answer.documents import hit_text
from relsearch.live.gateway.refusals import NotRerankedError
from relsearch.live.gateway.request.rewrite import Plan

Hit = Mapping[str, Any]
Answer = dict[str, Any]


def window(answer: Mapping[str, Any], plan: Plan) -> tuple[list[str], list[float]]:
    """Return text and engine's score of the hits to rerank, in its order; raise NotRerankedError if there are none."""
    hits = _hits(answer)[: plan.rules.window]
    texts = [hit_text(hit.get("_source", {}), plan.template, plan.rules.fields) for hit in hits]
    if not texts:
        raise NotRerankedError("no_hits")
    if not any(texts):
        raise NotRerankedError("no_text")
    return texts, engine_scores(hits)


def reranked(answer: Mapping[str, Any], plan: Plan, scores: Sequence[float]) -> Answer:
    """Return the client's page in the scores' order; equal scores, and hits past the window, keep the engine's order.

    `_score` is the reranker's within the window and the engine's past it; `max_score` is the reranker's best.
    """
    hits = _hits(answer)
    ranked = sorted(range(len(scores)), key=lambda position: (-scores[position], position))
    order = [*ranked, *range(len(scores), len(hits))]
    page = []
    for position in order[plan.start : plan.start + plan.size]:
        hit = _restored(hits[position], plan)
        if position < len(scores):
            hit["_score"] = scores[position]
        if plan.rules.original:
            kept = {"relsearch.rank": [position + 1], "relsearch.score": [hits[position].get("_score")]}
            hit["fields"] = {**hit.get("fields", {}), **kept}
        page.append(hit)
    return _with_hits(answer, page, max_score=max(scores))


def engines_own(answer: Mapping[str, Any], plan: Plan) -> Answer:
    """Return the client's page in the engine's order, as the engine would have answered without the gateway."""
    page = [_restored(hit, plan) for hit in _hits(answer)[plan.start : plan.start + plan.size]]
    return _with_hits(answer, page, max_score=answer.get("hits", {}).get("max_score"))


def _hits(answer: Mapping[str, Any]) -> list[Hit]:
    hits = answer.get("hits")
    return list(hits.get("hits", [])) if isinstance(hits, dict) else []


def _restored(hit: Hit, plan: Plan) -> dict[str, Any]:
    """The hit with the part of its source that the client wants."""
    if plan.source.keeps_all or "_source" not in hit:
        return dict(hit)
    if not plan.source.wanted:
        return {name: value for name, value in hit.items() if name != "_source"}
    return {**hit, "_source": plan.source.apply(hit["_source"])}


def _with_hits(answer: Mapping[str, Any], page: list[dict[str, Any]], *, max_score: float | None) -> Answer:
    hits = answer.get("hits")
    if not isinstance(hits, dict):
        return dict(answer)
    return {**answer, "hits": {**hits, "max_score": max_score, "hits": page}}
