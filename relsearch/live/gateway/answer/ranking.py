"""Decide what becomes of a search, and rerank the engine's answer to it; the same for one search and for many."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from relsearch.core.errors import ConfigError
from relsearch.live.gateway.answer.page import Page, engines_own, read_page, reranked, rescored
from relsearch.live.gateway.config import GatewayConfig, Rules
from relsearch.live.gateway.json_slices import Edit, edited, end_of, skip_space, visit_array, visit_object
from relsearch.live.gateway.refusals import BadAskError, LateError, NotRerankedError, UnsupportedError
from relsearch.live.gateway.request.ask import Ask
from relsearch.live.gateway.request.rewrite import Plan, Search, plan, stripped
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.rerank.partly import past_window, placed

Scorers = Mapping[Path | None, Scoring]
Result = TypeVar("Result")
_THREADS = 4  # that take answers apart; more would wait for the interpreter's lock
_LEVEL = 3  # of gzip, as Elasticsearch's own
LARGE_BYTES = 1 << 16  # from here on a request is read and decided beside the event loop


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
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="relsearch-page")

    @property
    def scorers(self) -> Scorers:
        """The scorers by the bundle that rules name."""
        return self._scorers

    @property
    def has_rules(self) -> bool:
        """Whether any index is reranked without asking."""
        return bool(self._config.index)

    def concerns(self, target: str, text: bytes) -> bool:
        """Return False only for a search that is none to rerank, judging by its index and its text."""
        return b"relsearch" in text or self._config.rules_for(target) is not None

    def decide(
        self, search: Search, *, ask: Ask | bool | None = None, json_wanted: bool = True, words: str = ""
    ) -> Decision:
        """Plan a search's reranking; raise BadAskError for a malformed wish, or a strict one that cannot be had.

        `ask` is what was asked outside the body, beside a template, and `words` the query's words from a header, which
        ext.relsearch.query goes before; `json_wanted` says whether the answer will be JSON.
        """
        inner, clean = stripped(search)
        changed = inner is not None
        wish = inner if ask is None else ask
        rules = self._config.rules_for(search.target)
        if wish is False or (wish is None and rules is None):
            return Decision(clean, changed)
        try:
            if not json_wanted:
                raise UnsupportedError("accept", "the header Accept wants another format than JSON")
            return Decision(clean, changed, self._plan(clean, wish, rules or Rules(), words))
        except NotRerankedError as exc:
            if isinstance(exc, UnsupportedError) and isinstance(wish, Ask) and wish.strict:
                raise BadAskError(f"ext.relsearch: {exc}") from exc
            return Decision(clean, changed, reason=exc.reason)

    def _plan(self, search: Search, wish: Ask | bool | None, rules: Rules, words: str) -> Plan:
        ask = wish if isinstance(wish, Ask) else Ask()
        if words and not ask.query:
            ask = ask.model_copy(update={"query": words})
        applied = ask.apply(rules)
        try:
            reranker = self._scorers[applied.bundle].reranker.with_weights(mix=applied.mix, prf=applied.feedback)
        except ConfigError as exc:
            raise UnsupportedError("feedback", str(exc)) from exc
        return plan(search, ask, applied, applied.template or reranker.template, reranker.interpolation)

    async def off_loop(self, work: Callable[[], Result], *, size: int = LARGE_BYTES) -> Result:
        """Return the result of work that takes longer, the longer a request or an answer is; small work at once."""
        if size < LARGE_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def read(self, raw: Sequence[bytes], plans: Sequence[Plan | None], *, many: bool, until: float) -> list[Page]:
        """Take an answer, in the chunks that came, apart into those of its searches, all of which share one text.

        Raise ValueError where it is no such answer, LateError where that takes longer than until `until`.
        """
        reading = self.off_loop(lambda: self._pages(raw, plans, many=many, until=until))
        try:
            return await asyncio.wait_for(reading, max(until - time.monotonic(), 0.0))
        except TimeoutError as exc:
            raise LateError from exc

    def _pages(self, raw: Sequence[bytes], plans: Sequence[Plan | None], *, many: bool, until: float) -> list[Page]:
        text = bytearray()
        for chunk in raw:  # joining 100 MB at once would keep every other thread waiting
            text += chunk
        plans = [None if plan and plan.past else plan for plan in plans]  # nothing of their hits is read
        most = [self._scorers[each.rules.bundle].most_characters if each else 0 for each in plans]
        if not many:
            return [read_page(text, plan=plans[0], most=most[0], until=until)]
        pages: list[Page] = []

        def visit_response(place: int) -> int:
            turn = len(pages)
            if turn == len(plans):
                raise ValueError("more answers than searches")
            pages.append(read_page(text, place, plan=plans[turn], most=most[turn], until=until))
            return pages[-1].place.end

        def visit(name: str, _: int, value: int) -> int:
            return visit_array(text, value, visit_response) if name == "responses" else end_of(text, value)

        visit_object(text, skip_space(text, 0), visit)
        if len(pages) != len(plans):
            raise ValueError("fewer answers than searches")
        return pages

    async def rank(self, page: Page, wanted: Plan, *, until: float) -> tuple[list[Edit], str]:
        """Return the edits that make the client's page, and its mark; the engine's own order where nothing is read."""
        if wanted.past:
            scores = past_window(wanted.start - wanted.rules.window, len(page.hits))
            return await self.off_loop(lambda: rescored(page, scores)), bypassed("beyond_window")
        hits = page.hits[: wanted.rules.window]
        # Hits without text keep their places: nothing of them is known.
        places = [place for place, hit in enumerate(hits) if hit.text]
        try:
            if not hits:
                raise NotRerankedError("no_hits")
            if not places:
                raise NotRerankedError("no_text")
            scoring = self._scorers[wanted.rules.bundle]
            reranker = replace(scoring.reranker, interpolation=wanted.mix)
            texts, engines = [hits[place].text for place in places], [hits[place].score for place in places]
            fixed = wanted.rules.mix is not None
            found = await scoring.score(reranker, wanted.query, texts, engines, until=until, weights_fixed=fixed)
        except NotRerankedError as exc:
            return await self.off_loop(lambda: engines_own(page, wanted)), bypassed(exc.reason)
        read = {places[turn]: score for turn, score in found.items()}
        order = placed(read, range(len(hits)), len(page.hits) - len(hits))
        return await self.off_loop(lambda: reranked(page, wanted, order)), f"reranked; read={len(read)}/{len(hits)}"

    async def written(self, page: Page, edits: Sequence[Edit], *, compress: bool) -> bytes:
        """Return the text that a page stands in with its edits, compressed where the client wants it so."""

        def write() -> bytes:
            body = edited(page.text, edits)
            return gzip.compress(body, _LEVEL, mtime=0) if compress else body

        return await self.off_loop(write)

    def close(self) -> None:
        """End the threads once they are done, and save what was read."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for scoring in {id(each): each for each in self._scorers.values()}.values():
            scoring.close()


def deadline(plans: Sequence[Plan | None]) -> float:
    """Return until when, by time.monotonic, an answer that has just come may be reranked: one budget bounds all."""
    return time.monotonic() + max((each.rules.budget_ms for each in plans if each), default=0) / 1000
