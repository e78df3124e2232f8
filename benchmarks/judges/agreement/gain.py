"""What one judge gains over another on the same pairs, with paired intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.types import Scale
from relsearch.measure.agreement import common_pairs
from relsearch.stats.bootstrap import query_draws

_PAIR = ["query_id", "doc_id"]
_RESAMPLES = 500


def gain(human: pl.DataFrame, judged: pl.DataFrame, base: pl.DataFrame, scale: Scale, *, seed: int) -> dict[str, Any]:
    """Return the differences in AUC, kappa and log-likelihood: value, low, high, p.

    Both judges see each resample of the queries; p is twice the share of resamples on the far side of zero.
    """
    pairs = judged.select(_PAIR).join(base.select(_PAIR), on=_PAIR)
    mine, theirs = (common_pairs(human, table.join(pairs, on=_PAIR, how="semi"), scale) for table in (judged, base))
    query = mine["query"].to_numpy()
    draws = query_draws(int(query.max()) + 1, resamples=_RESAMPLES, seed=seed)
    weights = [np.ones(len(query)), *(draw[query].astype(np.float64) for draw in draws)]
    found = {"pairs": mine.height}
    return found | {name: _difference(figure, mine, theirs, weights, scale) for name, figure in _FIGURES.items()}


def _difference(figure: Any, mine: pl.DataFrame, theirs: pl.DataFrame, weights: Any, scale: Scale) -> dict[str, float]:
    values = np.array([figure(mine, weight, scale) - figure(theirs, weight, scale) for weight in weights])
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    sides = float(np.mean(values[1:] <= 0)), float(np.mean(values[1:] >= 0))
    return {"value": float(values[0]), "low": float(low), "high": float(high), "p": min(1.0, 2 * min(sides))}


def _auc(both: pl.DataFrame, weight: NDArray[np.float64], scale: Scale) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(both["grade"].to_numpy() >= scale.relevant, both["expected"], sample_weight=weight))


def _kappa(both: pl.DataFrame, weight: NDArray[np.float64], scale: Scale) -> float:
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(both["grade"], both["judged"], sample_weight=weight))


def _log_likelihood(both: pl.DataFrame, weight: NDArray[np.float64], scale: Scale) -> float:
    rows = np.array(both["probabilities"].to_list())
    chosen = rows[np.arange(len(rows)), both["grade"].to_numpy() - scale.lowest]
    return float(np.average(np.log(chosen), weights=weight))


_FIGURES = {"auc": _auc, "kappa": _kappa, "log_likelihood": _log_likelihood}
