"""Hold a judge's labels against people's of the same query: every query has an intercept of its own.

A judge may order a query's documents well and yet be too generous or too strict with the query as a whole; a few
human grades of the query tell by how much. Proportional odds with a random intercept (Hedeker and Gibbons 1994):
logit P(grade >= k) is the judge's own plus b, where b is normal over the queries. The deviation of b has the highest
marginal likelihood, and a label moves by the mean of its query's b given the human grades. Only distributions over
grades are read, so the labels of any judge that gives them can be held so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.ordinal import distribution
from relsearch.types import Scale

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]

_PAIR = ["query_id", "doc_id"]
_FLOOR = 1e-6
_INTERCEPTS = np.arange(-4, 4.05, 0.1)
_DEVIATIONS = np.arange(0.05, 3, 0.05)
# A few queries cannot tell how much queries differ: a log-normal prior about 1, near what TREC's queries have (0.9).
_PRIOR_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Anchored:
    """A judgments table, of how many queries people's grades moved it, and the intercepts' deviation in logits."""

    labels: pl.DataFrame
    queries: int
    deviation: float


def anchor(judged: pl.DataFrame, human: pl.DataFrame, scale: Scale) -> Anchored:
    """Return the judge's labels, moved by what people said of other documents of the same query.

    Both are judgments tables; human grades count where the judge graded the same pair. A pair's own human grade moves
    its judged one through the deviation alone, which all queries share, so that their agreement still says how good
    the judge is. Labels of queries without human grades stay as they are, and so do all where people named relevant
    documents only: these say nothing of the rest.
    """
    given = human.select(*_PAIR, pl.col("grade").alias("given"))
    rows = judged.with_row_index("row")
    graded = rows.drop_nulls(["grade", "probabilities"]).join(given, on=_PAIR, how="left", maintain_order="left")
    if not (graded["given"] < scale.relevant).any():
        return Anchored(judged, 0, 0.0)
    logits = _logits(graded)
    held = graded.select(pl.col("given").is_not_null().any().over("query_id")).to_series()
    touched, own = graded.filter(held), logits[held.to_numpy()]
    query_of = touched["query_id"].rank("dense").to_numpy() - 1
    likelihood = _likelihood(own, touched["given"].fill_null(scale.lowest - 1).to_numpy() - scale.lowest)
    of_query = np.zeros((query_of.max() + 1, len(_INTERCEPTS)))
    np.add.at(of_query, query_of, likelihood)
    deviation = _deviation(of_query)
    moved = own + _mean(of_query[query_of] - likelihood, deviation)[:, None]
    cuts = _cuts(logits, graded["grade"].to_numpy() - scale.lowest)
    rest = rows.join(touched, on="row", how="anti")
    labels = pl.concat([rest, _relabelled(touched.drop("given"), moved, cuts, scale)]).sort("row").drop("row")
    return Anchored(labels, len(of_query), deviation)


def _logits(table: pl.DataFrame) -> Floats:
    """Logit P(grade >= k) for each grade above the lowest, shape [rows, grades - 1]."""
    from scipy.special import logit

    reached = np.cumsum(np.asarray(table["probabilities"].to_list())[:, ::-1], axis=1)[:, -2::-1]
    return np.asarray(logit(np.clip(reached, _FLOOR, 1 - _FLOOR)), dtype=np.float64)


def _likelihood(logits: Floats, levels: Levels) -> Floats:
    """Log-likelihood of each row's human level under each intercept, shape [rows, intercepts]; 0 where it has none."""
    found = np.zeros((len(levels), len(_INTERCEPTS)))
    known = levels >= 0
    rows = distribution(logits[known, None, :] + _INTERCEPTS[None, :, None])
    found[known] = np.log(np.take_along_axis(rows, levels[known, None, None], axis=-1)[..., 0])
    return found


def _log_normal(deviation: float) -> Floats:
    density = -0.5 * np.square(_INTERCEPTS / deviation)
    return np.asarray(density - np.logaddexp.reduce(density), dtype=np.float64)


def _deviation(of_query: Floats) -> float:
    """The deviation that the queries' likelihoods, shape [queries, intercepts], make likeliest."""

    def posterior(deviation: float) -> float:
        marginal = np.logaddexp.reduce(of_query + _log_normal(deviation), axis=1).sum()
        return float(marginal) - 0.5 * float(np.log(deviation) / _PRIOR_SPREAD) ** 2

    return float(max(_DEVIATIONS, key=posterior))


def _mean(likelihood: Floats, deviation: float) -> Floats:
    """The mean intercept of each row of likelihoods under the prior."""
    from scipy.special import softmax

    return np.asarray(softmax(likelihood + _log_normal(deviation), axis=1) @ _INTERCEPTS, dtype=np.float64)


def _cuts(logits: Floats, levels: Levels) -> Floats:
    """Where the judge's own grades change, in each cumulative logit; a judge's grade need not be its likeliest one."""
    cuts = []
    for number, column in enumerate(np.sort(logits, axis=0).T):
        below = int((levels <= number).sum())
        if 0 < below < len(column):
            cuts.append((column[below - 1] + column[below]) / 2)
        else:  # all on one side: half the probability decides, unless one of them is beyond
            cuts.append(min(column[0], 0.0) if not below else max(np.nextafter(column[-1], np.inf), 0.0))
    return np.asarray(cuts, dtype=np.float64)


def _relabelled(touched: pl.DataFrame, logits: Floats, cuts: Floats, scale: Scale) -> pl.DataFrame:
    """The rows with distribution, expectation, grade and confidence as the logits have them."""
    rows = distribution(logits)
    levels = np.cumprod(logits >= cuts, axis=1).sum(axis=1)
    return touched.with_columns(
        pl.Series("grade", levels + scale.lowest, dtype=pl.Int32),
        pl.Series("probabilities", rows.tolist(), dtype=pl.List(pl.Float64)),
        pl.Series("expected", rows @ np.asarray(scale.grades, dtype=np.float64)),
        pl.Series("confidence", rows[np.arange(len(rows)), levels]),
    )
