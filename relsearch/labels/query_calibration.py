"""Calibrate a judge's labels per query, by a few human grades of the query's documents.

A judge may be too generous or too strict with a whole query, or with similar documents of it; a few human grades of the
query show by how much. logit P(grade >= k) is the judge's own plus an effect of the document. The effects of a query's
documents are normal with covariance s^2 (1 + similarity): the 1 is a random intercept that all documents of the query
share (Hedeker and Gibbons 1994), the similarity what documents about the same thing share. A label moves by the
posterior mean of its effect given the human grades; s is the deviation under which each human grade is predicted best
from the query's others. It reads distributions over grades alone, so it works for any judge that gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.tables import CALIBRATED
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
class CalibratedLabels:
    """A judgments table, the number of queries whose labels were calibrated, and the effects' deviation in logits."""

    labels: pl.DataFrame
    queries: int
    deviation: float


@dataclass(frozen=True, slots=True)
class _Query:
    """The rows of one query, which of them people graded, the levels of these, and the documents' similarity."""

    rows: NDArray[np.int64]
    known: NDArray[np.int64]
    levels: Levels
    similarity: Floats  # [rows, known]

    def posterior(self, logits: Floats, deviation: float) -> Posterior:
        """Return the posterior of the known rows' effects, given their levels."""
        return posterior(self.known_logits(logits), self.levels, self._covariance(deviation)[self.known])

    def known_logits(self, logits: Floats) -> Floats:
        """Return the logits of the known rows; `logits` has the rows of all queries."""
        return logits[self.rows[self.known]]

    def effects(self, logits: Floats, deviation: float) -> Floats:
        """Return each row's posterior mean effect; a known row's is predicted from the other known rows."""
        given = self.posterior(logits, deviation)
        effects = self._covariance(deviation) @ given.gradient
        effects[self.known] = given.left_out
        return np.asarray(effects)

    def _covariance(self, deviation: float) -> Floats:
        return deviation**2 * (1 + self.similarity)


def calibrate(
    judged: pl.DataFrame, human: pl.DataFrame, scale: Scale, vectors: Vectors | None = None
) -> CalibratedLabels:
    """Return the judge's labels, calibrated by the human grades of other documents of the same query.

    Both are judgments tables; human grades count where the judge graded the same pair. `vectors` show which documents
    are similar; without them all of a query's labels move together. A pair's own human grade moves its judged one only
    through the deviation, which all queries share, so agreement still measures the judge. Labels of queries without
    human grades stay as they are, and so do all labels where people graded relevant documents only: such grades cannot
    show that the judge is too generous. Labels that are calibrated have CALIBRATED after the judge's fingerprint.
    """
    given = human.select(*_PAIR, pl.col("grade").alias("given"))
    rows = judged.with_row_index("row")
    graded = rows.drop_nulls(["grade", "probabilities"]).join(given, on=_PAIR, how="left", maintain_order="left")
    if not (graded["given"] < scale.relevant).any():
        return CalibratedLabels(judged, 0, 0.0)
    logits = _logits(graded)
    has_human = graded.select(pl.col("given").is_not_null().any().over("query_id")).to_series()
    touched, own = graded.filter(has_human), logits[has_human.to_numpy()]
    queries = list(_queries(touched, scale, vectors))
    deviation = _deviation(queries, own)
    moved = own.copy()
    for query in queries:
        moved[query.rows] += query.effects(own, deviation)[:, None]
    thresholds = _thresholds(logits, graded["grade"].to_numpy() - scale.lowest)
    rest = rows.join(touched, on="row", how="anti")
    labels = pl.concat([rest, _relabelled(touched.drop("given"), moved, thresholds, scale)]).sort("row").drop("row")
    return CalibratedLabels(labels, len(queries), deviation)


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
    """Rows of length 1 from the mean of the query's documents, so that their mean similarity is about 0."""
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
    """The deviation under which each human grade is predicted best from the query's others, with its prior."""

    def log_posterior(deviation: float) -> float:
        left_out = (query.posterior(logits, deviation).left_out for query in queries)
        each = (log_likelihood(q.known_logits(logits), q.levels, e) for q, e in zip(queries, left_out, strict=True))
        return sum(each) - 0.5 * float(np.log(deviation) / _PRIOR_SPREAD) ** 2

    return float(max(_DEVIATIONS, key=log_posterior))


def _thresholds(logits: Floats, levels: Levels) -> Floats:
    """Where the judge's own grades change, in each cumulative logit; a judge's grade need not be its likeliest one."""
    thresholds = []
    for number, column in enumerate(np.sort(logits, axis=0).T):
        below = int((levels <= number).sum())
        if 0 < below < len(column):
            thresholds.append((column[below - 1] + column[below]) / 2)
        else:  # all on one side: half the probability decides, unless one of them is beyond
            thresholds.append(min(column[0], 0.0) if not below else max(np.nextafter(column[-1], np.inf), 0.0))
    return np.asarray(thresholds, dtype=np.float64)


def _relabelled(touched: pl.DataFrame, logits: Floats, thresholds: Floats, scale: Scale) -> pl.DataFrame:
    """The rows, marked, with distribution, expectation, grade and confidence as the logits have them."""
    rows = distribution(logits)
    levels = np.cumprod(logits >= thresholds, axis=1).sum(axis=1)
    return touched.with_columns(
        pl.Series("grade", levels + scale.lowest, dtype=pl.Int32),
        pl.Series("probabilities", rows.tolist(), dtype=pl.List(pl.Float64)),
        pl.Series("expected", rows @ np.asarray(scale.grades, dtype=np.float64)),
        pl.Series("confidence", rows[np.arange(len(rows)), levels]),
        judge=pl.concat_str("judge", pl.lit(CALIBRATED), separator=" ", ignore_nulls=True),
    )
