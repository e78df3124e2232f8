"""The quality gate before a new reranker ships: it must beat what is there on held-out human labels, by a paired test.

One-sided paired randomisation test (Smucker et al. 2007) of the hypothesis that the mean difference is at most the
margin. The dev queries also chose the weights that are tested, so the test is kinder to the new reranker than fresh
queries would be: a refusal is sure, a pass is not. On too few queries no order could show a gain: it then cannot tell,
which is no pass either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from pydantic import JsonValue

from relsearch.core.display.text_table import number, table
from relsearch.core.errors import DataError
from relsearch.measure.query_values import from_zero, query_values
from relsearch.stats.bootstrap import or_none
from relsearch.stats.randomisation import randomisation_p

Outcome = Literal["beaten", "not beaten", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Duel:
    """The new reranker against one baseline: both means, their difference, its one-sided p, and what became of it.

    `telling` queries have a value above 0 on one side: the others are the same whatever the order, and of so many p is
    at least 1 / 2^telling. Figures are nan where the measure credits none of the labels.
    """

    baseline: str
    new: float
    old: float
    difference: float
    p: float
    telling: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """All duels, on so many queries of a kind, by one measure; it takes `needed` telling ones to show a gain."""

    measure: str
    queries: int
    kind: str
    needed: int
    duels: tuple[Duel, ...]

    @property
    def decided(self) -> bool:
        """Whether there were enough telling queries for every duel."""
        return all(duel.outcome != "cannot tell" for duel in self.duels)

    @property
    def passed(self) -> bool:
        """Whether every baseline was beaten."""
        return all(duel.outcome == "beaten" for duel in self.duels)

    @property
    def refusal(self) -> str:
        """One line: what was not beaten, by how much, or why nothing can be told, and what to do."""
        lost = "; ".join(
            f"{duel.baseline}: {duel.new:.3f} against {duel.old:.3f}, p {duel.p:.3f}"
            for duel in self.duels
            if duel.outcome == "not beaten"
        )
        if lost:
            on = f"on {self.queries} {self.kind} queries the new reranker does not beat"
            found = f"{on} ({self.measure}) {lost}; label more queries, train longer"
        else:
            found = f"{self._undecided}; label more queries"
        return (
            f"export: {found}, rerank with --bundle ready, which needs no labels, or set [export] quality_gate = "
            '"off" to ship it anyway'
        )

    @property
    def _undecided(self) -> str:
        undecided = [duel for duel in self.duels if duel.outcome == "cannot tell"]
        names = ", ".join(duel.baseline for duel in undecided)
        telling = min((duel.telling for duel in undecided), default=0)
        return (
            f"{self.queries} {self.kind} queries cannot tell whether the new reranker beats ({self.measure}) {names}: "
            f"[export] quality_gate_p takes {self.needed} on which either ranks a relevant document, and these are "
            f"{telling}"
        )

    def to_json(self) -> JsonValue:
        """Return the verdict as JSON values."""
        return {
            "measure": self.measure,
            "queries": self.queries,
            "kind": self.kind,
            "queries_needed": self.needed,
            "passed": self.passed,
            "duels": [_duel_json(duel) for duel in self.duels],
        }

    def to_table(self) -> str:
        """Return one row a baseline."""
        rows = [
            [
                duel.baseline,
                number(duel.new),
                number(duel.old),
                number(duel.difference, "+.3f"),
                number(duel.p),
                duel.outcome,
            ]
            for duel in self.duels
        ]
        return table([f"{self.measure}, n={self.queries} {self.kind}", "new", "baseline", "diff", "p", "verdict"], rows)


def queries_needed(max_p: float) -> int:
    """Return how many queries the test takes to reach a p: of n, all won, it is 1 / 2^n."""
    return max(1, math.ceil(-math.log2(max_p)))


def compare(
    qrels: pl.DataFrame,
    new: pl.DataFrame,
    baselines: Mapping[str, pl.DataFrame],
    *,
    measure: str,
    margin: float,
    max_p: float,
    seed: int,
    lowest: int = 0,
    kind: str = "dev",
) -> Verdict:
    """Compare a new run with each baseline on every query of the qrels; a query that a run lacks counts 0.

    Grades count from `lowest`, the scale's; `kind` says which queries these are.
    """
    labels = from_zero(qrels, lowest)
    if labels.is_empty():
        raise DataError("export: no human label on dev queries to test the reranker on; raise [pool] dev_share")
    needed = queries_needed(max_p)
    ours = query_values(labels, new, [measure])[measure]
    duels = []
    for name, run in baselines.items():
        theirs = query_values(labels, run, [measure])[measure]
        difference = float((ours - theirs).mean())
        p = randomisation_p(ours - theirs - margin, alternative="greater", seed=seed)
        telling = int(np.count_nonzero((ours > 0) | (theirs > 0)))
        outcome: Outcome = "beaten" if difference > margin and p <= max_p else "not beaten"
        if telling < needed:
            outcome = "cannot tell"
        duels.append(Duel(name, float(ours.mean()), float(theirs.mean()), difference, p, telling, outcome))
    return Verdict(measure, len(ours), kind, needed, tuple(duels))


def _duel_json(duel: Duel) -> dict[str, JsonValue]:
    figures = {name: or_none(getattr(duel, name)) for name in ("new", "old", "difference", "p")}
    return {"baseline": duel.baseline, **figures, "telling": duel.telling, "outcome": duel.outcome}
