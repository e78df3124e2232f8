"""The quality gate before a new reranker ships: it must beat what is there on held-out human labels, by a paired test.

One-sided paired randomisation test (Smucker et al. 2007) of the hypothesis that the mean difference is at most the
margin. The dev queries also chose the weights that are tested, and by cross-validation labels of the queries that a
fold leaves out may have taught the judge of the others, so the test is kinder to the new reranker than fresh queries
would be: a refusal is sure, a pass is not. Nor does a pass say that training helped: the new run may have the first
stage's share and feedback in it, which the baselines lack. On too few queries no order could show a gain: it then
cannot tell, which is no pass either.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from pydantic import JsonValue

from relsearch.core.display.text_table import WIDTH, number, table
from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError
from relsearch.measure.query_values import from_zero, query_values
from relsearch.stats.bootstrap import or_none
from relsearch.stats.randomisation import randomisation_p

Outcome = Literal["beaten", "not beaten", "cannot tell"]


@dataclass(frozen=True, slots=True)
class GateComparison:
    """The new reranker against one baseline: both means, their difference, its one-sided p, and what became of it.

    `informative` queries have a value above 0 on one side: the others are the same whatever the order. Of n informative
    ones p is at least 1 / 2^n. Figures are nan where the measure credits none of the labels.
    """

    baseline: str
    new: float
    old: float
    difference: float
    p: float
    informative: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """All comparisons, on so many queries of a kind, by one measure; a gain takes `needed` informative ones to show.

    `note` says in a sentence what to know about them, if anything.
    """

    measure: str
    queries: int
    kind: str
    needed: int
    comparisons: tuple[GateComparison, ...]
    note: str = ""

    @property
    def decided(self) -> bool:
        """Whether there were enough informative queries for every comparison."""
        return all(each.outcome != "cannot tell" for each in self.comparisons)

    @property
    def passed(self) -> bool:
        """Whether every baseline was beaten."""
        return all(each.outcome == "beaten" for each in self.comparisons)

    @property
    def refusal(self) -> str:
        """One line: what was not beaten and by how much, or why the queries are too few, and what to do."""
        lost = "; ".join(
            f"{each.baseline}: {each.new:.3f} against {each.old:.3f}, p {each.p:.3f}"
            for each in self.comparisons
            if each.outcome == "not beaten"
        )
        if lost:
            on = f"on {counted(self.queries, f'{self.kind} query')} the new reranker does not beat"
            found = f"{on} ({self.measure}) {lost}; label more queries, train longer"
        else:
            found = f"{self._undecided}; label more queries"
        return (
            f"export: {found}, rerank with --bundle ready, which needs no labels, or set [export] quality_gate = "
            '"off" to ship it anyway'
        )

    @property
    def _undecided(self) -> str:
        undecided = [each for each in self.comparisons if each.outcome == "cannot tell"]
        names = ", ".join(each.baseline for each in undecided)
        informative = min((each.informative for each in undecided), default=0)
        return (
            f"{counted(self.queries, f'{self.kind} query')} cannot tell whether the new reranker beats "
            f"({self.measure}) {names}: "
            f"[export] quality_gate_p takes {self.needed} on which either ranks a relevant document, and these are "
            f"{informative}"
        )

    def to_json(self) -> JsonValue:
        """Return the verdict as JSON values."""
        return {
            "measure": self.measure,
            "queries": self.queries,
            "kind": self.kind,
            "queries_needed": self.needed,
            "passed": self.passed,
            "note": self.note,
            "comparisons": [_comparison_json(each) for each in self.comparisons],
        }

    def to_table(self) -> str:
        """Return one row a baseline, and the note."""
        rows = [
            [
                each.baseline,
                number(each.new),
                number(each.old),
                number(each.difference, "+.3f"),
                number(each.p),
                each.outcome,
            ]
            for each in self.comparisons
        ]
        headers = [f"{self.measure}, n={self.queries} {self.kind}", "new", "baseline", "diff", "p", "verdict"]
        return "\n".join([table(headers, rows), *textwrap.wrap(self.note, WIDTH)])


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
    comparisons = []
    for name, run in baselines.items():
        theirs = query_values(labels, run, [measure])[measure]
        difference = float((ours - theirs).mean())
        p = randomisation_p(ours - theirs - margin, alternative="greater", seed=seed)
        informative = int(np.count_nonzero((ours > 0) | (theirs > 0)))
        outcome: Outcome = "beaten" if difference > margin and p <= max_p else "not beaten"
        if informative < needed:
            outcome = "cannot tell"
        comparisons.append(
            GateComparison(name, float(ours.mean()), float(theirs.mean()), difference, p, informative, outcome)
        )
    return Verdict(measure, len(ours), kind, needed, tuple(comparisons))


def _comparison_json(comparison: GateComparison) -> dict[str, JsonValue]:
    figures = {name: or_none(getattr(comparison, name)) for name in ("new", "old", "difference", "p")}
    return {
        "baseline": comparison.baseline,
        **figures,
        "informative": comparison.informative,
        "outcome": comparison.outcome,
    }
