"""Hold a judge's labels against people's of the same query.

A judge may be too generous or too strict with a query as a whole, or with those of its documents that are alike; a few
human grades of the query tell by how much. logit P(grade >= k) is the judge's own plus an effect of the document. A
query's effects are normal with covariance s^2 (1 + likeness of the two documents): the 1 is what all of the query's
documents share, a random intercept (Hedeker and Gibbons 1994), the rest what those about one thing share. A label moves
by the mean of its effect given the human grades; s is what predicts each of these best from the query's others. Only
distributions over grades are read, so the labels of any judge that gives them can be held so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.types import Scale
from relsearch.stats.laplace import Levels, Posterior, log_likelihood, posterior
from relsearch.stats.ordinal import distribution

Floats = NDArray[np.float64]

_PAIR = ["query_id", "doc_id"]
_FLOOR = 1e-6
_DEVIATIONS = np.geomspace(0.1, 2.5, 15)
# A few queries cannot tell how much the judge is off: a log-normal prior about 1, near what TREC's queries have (0.9).
_PRIOR_SPREAD = 0.5

Vectors = Callable[[list[str]], NDArray[np.floating[Any]]]  # of documents by id, shape [n, h]


@dataclass(frozen=True, slots=True)
class Anchored:
    """A judgments table, of how many queries people's grades moved it, and the effects' deviation in logits."""

    labels: pl.DataFrame
    queries: int
    deviation: float


@dataclass(frozen=True, slots=True)
class _Query:
    """The rows of one query, those of them that people graded, their levels, and the documents' likeness."""

    rows: NDArray[np.int64]
    known: NDArray[np.int64]
    levels: Levels
    likeness: Floats  # [rows, known]

    def told(self, logits: Floats, deviation: float) -> Posterior:
        """Return what the known rows' levels say of the effects."""
        return posterior(self.known_logits(logits), self.levels, self._covariance(deviation)[self.known])

    def known_logits(self, logits: Floats) -> Floats:
        """Return the logits of the known rows, of those of all queries."""
        return logits[self.rows[self.known]]

    def effects(self, logits: Floats, deviation: float) -> Floats:
        """Return the mean effect of each row; of those that are known as the others have it."""
        found = self.told(logits, deviation)
        effects = self._covariance(deviation) @ found.gradient
        effects[self.known] = found.left_out
        return np.asarray(effects)

    def _covariance(self, deviation: float) -> Floats:
        return deviation**2 * (1 + self.likeness)


def anchor(judged: pl.DataFrame, human: pl.DataFrame, scale: Scale, vectors: Vectors | None = None) -> Anchored:
    """Return the judge's labels, moved by what people said of other documents of the same query.

    Both are judgments tables; human grades count where the judge graded the same pair. `vectors` tell which documents
    are alike; without them all of a query's labels move together. A pair's own human grade moves its judged one through
    the deviation alone, which all queries share, so that their agreement still says how good the judge is. Labels of
    queries without human grades stay as they are, and so do all where people named relevant documents only: these say
    nothing of the rest.
    """
    given = human.select(*_PAIR, pl.col("grade").alias("given"))
    rows = judged.with_row_index("row")
    graded = rows.drop_nulls(["grade", "probabilities"]).join(given, on=_PAIR, how="left", maintain_order="left")
    if not (graded["given"] < scale.relevant).any():
        return Anchored(judged, 0, 0.0)
    logits = _logits(graded)
    held = graded.select(pl.col("given").is_not_null().any().over("query_id")).to_series()
    touched, own = graded.filter(held), logits[held.to_numpy()]
    queries = list(_queries(touched, scale, vectors))
    deviation = _deviation(queries, own)
    moved = own.copy()
    for query in queries:
        moved[query.rows] += query.effects(own, deviation)[:, None]
    cuts = _cuts(logits, graded["grade"].to_numpy() - scale.lowest)
    rest = rows.join(touched, on="row", how="anti")
    labels = pl.concat([rest, _relabelled(touched.drop("given"), moved, cuts, scale)]).sort("row").drop("row")
    return Anchored(labels, len(queries), deviation)


def _queries(touched: pl.DataFrame, scale: Scale, vectors: Vectors | None) -> Iterator[_Query]:
    doc_ids = touched["doc_id"].unique(maintain_order=True).to_list()
    every = np.zeros((len(doc_ids), 1)) if vectors is None else vectors(doc_ids)
    documents = pl.DataFrame({"doc_id": doc_ids}).with_row_index("vector")
    places = touched.select("query_id", "doc_id", "given").with_row_index("place")
    places = places.join(documents, on="doc_id", maintain_order="left")
    for _, mine in places.group_by("query_id", maintain_order=True):
        known = np.flatnonzero(mine["given"].is_not_null().to_numpy())
        levels = mine["given"].to_numpy()[known].astype(np.int64) - scale.lowest
        rows = _centred(every[mine["vector"].to_numpy()])
        yield _Query(mine["place"].to_numpy().astype(np.int64), known, levels, rows @ rows[known].T)


def _centred(vectors: NDArray[np.floating[Any]]) -> Floats:
    """Rows of length 1 from the mean of the query's documents, so that likeness is 0 on average; 0 at the mean."""
    rows = np.asarray(vectors, dtype=np.float64)
    rows = rows - rows.mean(axis=0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > _FLOOR))


def _logits(table: pl.DataFrame) -> Floats:
    """Logit P(grade >= k) for each grade above the lowest, shape [rows, grades - 1]."""
    from scipy.special import logit

    reached = np.cumsum(np.asarray(table["probabilities"].to_list())[:, ::-1], axis=1)[:, -2::-1]
    return np.asarray(logit(np.clip(reached, _FLOOR, 1 - _FLOOR)), dtype=np.float64)


def _deviation(queries: Sequence[_Query], logits: Floats) -> float:
    """The deviation under which the query's other grades tell each human grade best."""

    def told(deviation: float) -> float:
        known = (log_likelihood(q.known_logits(logits), q.levels, q.told(logits, deviation).left_out) for q in queries)
        return sum(known) - 0.5 * float(np.log(deviation) / _PRIOR_SPREAD) ** 2

    return float(max(_DEVIATIONS, key=told))


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
