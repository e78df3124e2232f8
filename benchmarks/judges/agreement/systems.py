"""Whether a judge ranks search systems as people do: Kendall's tau of their mean NDCG@10 under both label sets.

Each query's NDCG is computed once a system and label set; the bootstrap over queries then only averages anew. Fused and
degraded variants widen few real runs to many systems; they are not independent of the runs that they are made from, so
tau tells judges apart on one set of systems, not across sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.display.text_table import interval, number, table
from relsearch.core.errors import DataError
from relsearch.core.tables import CANDIDATES
from relsearch.core.types import Scale
from relsearch.data.pool import union
from relsearch.measure.agreement import common_pairs
from relsearch.measure.query_values import query_values
from relsearch.stats.bootstrap import Figure, figures_json, or_none, query_draws

Floats = NDArray[np.float64]
_MEASURE = "nDCG@10"
_FUSION_DEPTH = 100
_SHUFFLED_SHARE = 0.5
_SHUFFLED_TOP = 30
# Ranks move by this much (standard deviation), by twice this at most.
_NOISE_RANKS = 8.0


@dataclass(frozen=True, slots=True)
class Systems:
    """Mean NDCG@10 of each system under human and judged labels, nan where these call nothing relevant.

    Tau is None where one side ties all systems.
    """

    queries: int
    human: Mapping[str, float]
    judged: Mapping[str, float]
    tau: Figure | None

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, with null for what is not defined."""
        sides = {"human": self.human, "judged": self.judged}
        means = {side: {name: or_none(mean) for name, mean in values.items()} for side, values in sides.items()}
        return {"queries": self.queries, **means, **figures_json({"tau": self.tau})}

    def to_table(self) -> str:
        """Return the systems as text, best by human labels first."""
        order = sorted(self.human, key=lambda name: (-self.human[name], name))
        rows = [[name, number(self.human[name]), number(self.judged[name])] for name in order]
        tau = f"{self.tau.value:.3f}, 95 % CI {interval(self.tau.low, self.tau.high)}" if self.tau else "undefined"
        found = table([f"{_MEASURE}, n={self.queries}", "human labels", "judge labels"], rows)
        return f"{found}\n\nKendall's tau {tau}"


def systems(
    runs: Mapping[str, pl.DataFrame],
    human: pl.DataFrame,
    judged: pl.DataFrame,
    scale: Scale,
    *,
    resamples: int,
    seed: int,
) -> Systems:
    """Rank the runs by human and by judged labels of the pairs that have both; raise DataError on under two runs."""
    if len(runs) < 2:
        raise DataError(f"{len(runs)} runs to rank; give at least two")
    both = common_pairs(human, judged, scale)
    by_human = _values(both.select("query_id", "doc_id", "grade"), runs, scale)
    by_judge = _values(both.select("query_id", "doc_id", pl.col("judged").alias("grade")), runs, scale)
    queries = by_human.shape[1]
    draws = query_draws(queries, resamples=resamples, seed=seed) / queries
    resampled = [_tau(one, other) for one, other in zip(draws @ by_human.T, draws @ by_judge.T, strict=True)]
    human_means, judged_means = by_human.mean(axis=1), by_judge.mean(axis=1)
    return Systems(
        queries,
        dict(zip(runs, map(float, human_means), strict=True)),
        dict(zip(runs, map(float, judged_means), strict=True)),
        Figure.from_resamples_or_none(_tau(human_means, judged_means), resampled),
    )


def variants(runs: Mapping[str, pl.DataFrame], *, seed: int) -> dict[str, pl.DataFrame]:
    """Return the runs, the fusion of each two (`a+b`), and a degraded version of each: 20 systems from 5.

    In turn, a run gets the top 30 of half its queries shuffled (`a~shuffled`), or its ranks blurred by truncated
    normal noise (`a~noisy`).
    """
    fused = {
        f"{one}+{other}": union([runs[one], runs[other]], depth=_FUSION_DEPTH) for one, other in combinations(runs, 2)
    }
    degraded = {}
    for turn, (name, run) in enumerate(runs.items()):
        rng = np.random.default_rng([seed, turn])
        worse, how = (_shuffled, "shuffled") if turn % 2 == 0 else (_noisy, "noisy")
        degraded[f"{name}~{how}"] = worse(run, rng)
    return {**runs, **fused, **degraded}


def _values(qrels: pl.DataFrame, runs: Mapping[str, pl.DataFrame], scale: Scale) -> Floats:
    """NDCG@10, shape [runs, queries]."""
    return np.stack([query_values(qrels, run, [_MEASURE], lowest=scale.lowest)[_MEASURE] for run in runs.values()])


def _tau(one: Floats, other: Floats) -> float:
    from scipy.stats import kendalltau

    # Rounded so that means which differ by the order of summing tie.
    return float(kendalltau(np.round(one, 9), np.round(other, 9)).statistic)


def _shuffled(run: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    query_ids = sorted(set(run["query_id"]))
    hit = set(rng.permutation(query_ids)[: round(_SHUFFLED_SHARE * len(query_ids))].tolist())
    ordered = run.sort("query_id", "rank")
    moved = ordered["query_id"].is_in(sorted(hit)).to_numpy() & (ordered["rank"].to_numpy() <= _SHUFFLED_TOP)
    return _reranked(ordered, np.where(moved, rng.uniform(0, _SHUFFLED_TOP, ordered.height), ordered["rank"]))


def _noisy(run: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    ordered = run.sort("query_id", "rank")
    noise = _NOISE_RANKS * np.clip(rng.standard_normal(ordered.height), -2, 2)
    return _reranked(ordered, ordered["rank"].to_numpy() + noise)


def _reranked(run: pl.DataFrame, places: Floats) -> pl.DataFrame:
    """The run in the order of places, smallest first."""
    return (
        run.with_columns(place=pl.Series(places, dtype=pl.Float64))
        .sort("query_id", "place", "rank")
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"), score=-pl.col("place"))
        .select(pl.col(name).cast(kind) for name, kind in CANDIDATES.items())
    )
