"""Decide what becomes of a search, and rerank the engine's answer to it; the same for one search and for many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relsearch.core.errors import ConfigError
from relsearch.live.gateway.answer.page import Answer, engines_own, reranked, window
from relsearch.live.gateway.config import GatewayConfig, Rules
from relsearch.live.gateway.refusals import BadAskError, NotRerankedError, UnsupportedError
from relsearch.live.gateway.request.ask import Ask
from relsearch.live.gateway.request.rewrite import Plan, Search, plan, stripped
from relsearch.live.gateway.scoring import ScoringThreads

Scorers = Mapping[Path | None, ScoringThreads]


@dataclass(frozen=True, slots=True)
class Decision:
    """What goes to the engine, and what is done with its answer."""

    search: Search  # without ext.relsearch
    changed: bool  # whether there was an ext.relsearch to take out
    plan: Plan | None = None
    reason: str = ""  # why a search that was to be reranked is not; empty when nothing was to be

    @property
    def mark(self) -> str:
        """The header of an answer that is not reranked."""
        return bypassed(self.reason) if self.reason else ""


def bypassed(reason: str) -> str:
    """Return the header's value for an answer in the engine's own order."""
    return f"bypassed; reason={reason}"


class Ranking:
    """The rules of each index and the scorers they name."""

    def __init__(self, config: GatewayConfig, scorers: Scorers) -> None:
        self._config = config
        self._scorers = scorers

    @property
    def has_rules(self) -> bool:
        """Whether any index is reranked without asking."""
        return bool(self._config.index)

    def concerns(self, target: str, text: bytes) -> bool:
        """Whether a search may be one to rerank; quick, and never wrongly no."""
        return b"relsearch" in text or self._config.rules_for(target) is not None

    def decide(self, search: Search, *, ask: Ask | bool | None = None) -> Decision:
        """Plan a search's reranking; raise BadAskError where it was asked for by name and cannot be had.

        `ask` is what was asked outside the body, beside a template.
        """
        inner, clean = stripped(search)
        changed = inner is not None
        wish = inner if ask is None else ask
        rules = self._config.rules_for(search.target)
        if wish is False or (wish is None and rules is None):
            return Decision(clean, changed)
        try:
            return Decision(clean, changed, self._plan(clean, wish, rules or Rules()))
        except NotRerankedError as exc:
            if isinstance(exc, UnsupportedError) and wish is not None:
                raise BadAskError(f"ext.relsearch: {exc}") from exc
            return Decision(clean, changed, reason=exc.reason)

    def _plan(self, search: Search, wish: Ask | bool | None, rules: Rules) -> Plan:
        ask = wish if isinstance(wish, Ask) else Ask()
        applied = ask.apply(rules)
        try:
            reranker = self._scorers[applied.bundle].reranker.with_weights(mix=applied.mix, feedback=applied.feedback)
        except ConfigError as exc:
            raise UnsupportedError("feedback", str(exc)) from exc
        return plan(search, ask, applied, applied.template or reranker.template, reranker.mix)

    async def rank(self, answer: Mapping[str, Any], wanted: Plan) -> tuple[Answer, str]:
        """Return the client's page and its mark; the engine's own order where the scorer fails or is late."""
        try:
            texts, first_stage = window(answer, wanted)
            threads = self._scorers[wanted.rules.bundle]
            reranker = replace(threads.reranker, mix=wanted.mix)
            budget_s = wanted.rules.budget_ms / 1000
            scores = await threads.score(reranker, wanted.query, texts, first_stage, budget_s=budget_s)
        except NotRerankedError as exc:
            return engines_own(answer, wanted), bypassed(exc.reason)
        return reranked(answer, wanted, scores), f"reranked; hits={len(texts)}"
