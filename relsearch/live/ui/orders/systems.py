"""The orders that can be compared: the engine's own, a bundle's, the judge's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from relsearch.core.fields.template import render
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool
from relsearch.judge.store.judgment_store import content_key
from relsearch.live.ui.orders.sources import Passage
from relsearch.live.ui.turns import Turns
from relsearch.rerank.bundle import open_bundle
from relsearch.rerank.opening import is_plugin
from relsearch.rerank.reranker import Reranker

ENGINE, JUDGE = "engine", "judge"
_READ_AT_ONCE = 8  # passages; a query that is asked meanwhile waits for these


@dataclass(frozen=True, slots=True)
class Order:
    """Passages by a system, best first, with its scores, and the milliseconds that it took."""

    system: str
    passages: tuple[Passage, ...]
    scores: tuple[float, ...]
    ms: float


class System(Protocol):
    """Scores the passages that the engine found."""

    def scores(self, query: str, passages: Sequence[Passage]) -> list[float]:
        """Return one score per passage; more is better."""
        ...


class Engine:
    """The order as it is."""

    def scores(self, query: str, passages: Sequence[Passage]) -> list[float]:
        """Return the engine's own scores."""
        return [passage.score for passage in passages]


@dataclass(slots=True)
class BundleSystem:
    """A reranker, opened when it is first asked; one query at a time."""

    bundle: str
    _reranker: Reranker | None = None
    _turns: Turns = field(default_factory=Turns)

    def check(self) -> None:
        """Raise ArtifactError where the bundle is not whole."""
        if not is_plugin(self.bundle):
            open_bundle(self.bundle)

    def scores(self, query: str, passages: Sequence[Passage]) -> list[float]:
        """Return P(relevant) of each passage."""
        with self._turns.first():
            reranker = self._opened()
            return reranker.score_pool(query, self._texts(reranker, passages), [each.score for each in passages])

    def read(self, passages: Sequence[Passage]) -> None:
        """Encode passages before they are asked for, where the scorer keeps encoded documents."""
        for start in range(0, len(passages), _READ_AT_ONCE):
            with self._turns.behind():
                reranker = self._opened()
                reranker.prepare(self._texts(reranker, passages[start : start + _READ_AT_ONCE]))

    def _opened(self) -> Reranker:
        if self._reranker is None:
            self._reranker = Reranker(self.bundle)
        return self._reranker

    def _texts(self, reranker: Reranker, passages: Sequence[Passage]) -> list[str]:
        # A document that has none of the bundle's fields is read as people see it.
        return [reranker.render(each.fields) or f"{each.title}\n{each.body}" for each in passages]


@dataclass(slots=True)
class JudgeSystem:
    """The judge's expected grades; what it graded once is kept."""

    open_judge: Callable[[], Judge]
    turns: Turns
    _known: dict[str, float] = field(default_factory=dict)

    def scores(self, query: str, passages: Sequence[Passage]) -> list[float]:
        """Return the expected grade of each passage; the lowest grade where the judge gave none."""
        pool = pool_of("query", query, passages)
        with self.turns.first():
            judge = self.open_judge()
            keys = [content_key(judge.fingerprint, pair) for pair in pool.pairs()]
            if not self._known.keys() >= set(keys):
                for key, judgment in zip(keys, next(iter(judge.judge([pool]))), strict=True):
                    expected = judgment.grade if judgment.expected is None else judgment.expected
                    self._known[key] = float(judge.scale.lowest if expected is None else expected)
            return [self._known[key] for key in keys]


def pool_of(query_id: str, query: str, passages: Sequence[Passage]) -> QueryPool:
    """Return the passages as the pool that a judge grades."""
    texts = tuple(render(each.fields) or f"{each.title}\n{each.body}" for each in passages)
    return QueryPool(query_id, query, tuple(each.doc_id for each in passages), texts)


def order(name: str, system: System, query: str, passages: Sequence[Passage], *, engine_ms: float) -> Order:
    """Return the passages in a system's order; ties keep the engine's."""
    started = time.perf_counter()
    scores = system.scores(query, passages)
    ms = engine_ms if isinstance(system, Engine) else 1000 * (time.perf_counter() - started)
    best = list(range(len(passages)))
    if not isinstance(system, Engine):
        best.sort(key=lambda place: -scores[place])
    return Order(name, tuple(passages[each] for each in best), tuple(scores[each] for each in best), ms)


def systems_of(bundles: Sequence[str | Path]) -> dict[str, System]:
    """Return the engine and the bundles by the names that people choose from; raise ArtifactError for a broken one."""
    found: dict[str, System] = {ENGINE: Engine()}
    for bundle in bundles:
        system = BundleSystem(str(bundle))
        system.check()
        found[str(bundle)] = system
    return found
