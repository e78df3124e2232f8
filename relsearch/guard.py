"""The guard before a new reranker ships: it must beat what is there on held-out human labels, by a paired test.

One-sided paired randomisation test (Smucker et al. 2007) of the hypothesis that the mean difference is at most the
margin. The dev queries also chose the weights that are tested, so the test is kinder to the new reranker than fresh
queries would be: a refusal is sure, a pass is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue

from relsearch.errors import DataError
from relsearch.evaluate import query_values
from relsearch.show import table

_PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class Duel:
    """The new reranker against one baseline: both means, their difference and its one-sided p."""

    baseline: str
    new: float
    old: float
    difference: float
    p: float
    won: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """All duels, on so many queries, by one measure."""

    measure: str
    queries: int
    duels: tuple[Duel, ...]

    @property
    def passed(self) -> bool:
        """Whether every baseline was beaten."""
        return all(duel.won for duel in self.duels)

    @property
    def refusal(self) -> str:
        """One line: what was not beaten, by how much, and what to do."""
        lost = "; ".join(
            f"{duel.baseline}: {duel.new:.3f} against {duel.old:.3f}, p {duel.p:.3f}"
            for duel in self.duels
            if not duel.won
        )
        return (
            f"export: on {self.queries} dev queries the new reranker does not beat ({self.measure}) {lost}; label more "
            "queries, train longer, rerank with --bundle ready, which needs no labels, or set [export] guard = "
            '"off" to ship it anyway'
        )

    def to_json(self) -> JsonValue:
        """Return the verdict as JSON values."""
        return {"measure": self.measure, "queries": self.queries, "passed": self.passed, "duels": self._rows()}

    def to_table(self) -> str:
        """Return one row a baseline."""
        rows = [
            [
                duel.baseline,
                f"{duel.new:.3f}",
                f"{duel.old:.3f}",
                f"{duel.difference:+.3f}",
                f"{duel.p:.3f}",
                "beaten" if duel.won else "not beaten",
            ]
            for duel in self.duels
        ]
        return table([f"{self.measure}, n={self.queries} dev", "new", "baseline", "diff", "p", "verdict"], rows)

    def _rows(self) -> list[JsonValue]:
        return [asdict(duel) for duel in self.duels]


def queries_needed(max_p: float) -> int:
    """Return how many queries the test takes to reach a p: of n, all won, it is 1 / 2^n."""
    return math.ceil(-math.log2(max_p))


def hold(
    qrels: pl.DataFrame,
    new: pl.DataFrame,
    baselines: Mapping[str, pl.DataFrame],
    *,
    measure: str,
    margin: float,
    max_p: float,
    seed: int,
) -> Verdict:
    """Hold a new run against each baseline on every query of the qrels; a query that a run lacks counts 0."""
    if qrels.is_empty():
        raise DataError("export: no human label on dev queries to hold the reranker to; raise [pool] dev_share")
    ours = query_values(qrels, new, [measure])[measure]
    duels = []
    for name, run in baselines.items():
        theirs = query_values(qrels, run, [measure])[measure]
        p = _p(ours - theirs - margin, seed=seed)
        mean = float((ours - theirs).mean())
        won = mean > margin and p <= max_p
        duels.append(Duel(name, float(ours.mean()), float(theirs.mean()), mean, p, won))
    return Verdict(measure, len(ours), tuple(duels))


def _p(differences: NDArray[np.float64], *, seed: int) -> float:
    from scipy.stats import permutation_test

    found = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=_PERMUTATIONS,
        alternative="greater",
        rng=np.random.default_rng(seed),
        vectorized=True,
    )
    return float(found.pvalue)
