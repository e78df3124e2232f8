"""How far a judge's labels agree with human ones on the same pairs.

Each figure comes with a 95 % percentile interval from a bootstrap over *queries*, since pairs of one query
are not independent. Every figure but AUC is a function of the confusion matrix, so a resample only sums the
queries' matrices. Krippendorff's ordinal alpha follows Krippendorff (2011) for two raters without gaps.

A figure that the labels cannot tell is None: kappa where people gave one grade alone, which chance explains whatever
the judge says; alpha on a single pair or where one grade alone occurs; AUC where all pairs are relevant, or none is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.display.html_table import html_table
from relsearch.core.display.text_table import table
from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError
from relsearch.core.types import Scale
from relsearch.stats.bootstrap import Figure, figures_json, figures_rows, figures_table, query_draws

if TYPE_CHECKING:
    from relsearch.measure.reliability import Reliability

Floats = NDArray[np.float64]
Matrix = NDArray[np.float64]
_PAIR = ["query_id", "doc_id"]
_FIGURES = (
    "kappa",
    "kappa_binary",
    "kappa_quadratic",
    "alpha_ordinal",
    "mae",
    "accuracy",
    "majority_accuracy",
    "over_rating",
    "auc",
    "auc_within_query",
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """All figures, None where one is not defined, and notes on why.

    `confusion` has human grades as rows and judged grades as columns, lowest first. `reliability` is there where the
    labels have probabilities and it was asked for.
    """

    pairs: int
    queries: int
    kappa: Figure | None
    kappa_binary: Figure | None
    kappa_quadratic: Figure | None
    alpha_ordinal: Figure | None
    mae: Figure
    accuracy: Figure
    majority_accuracy: Figure
    over_rating: Figure
    auc: Figure | None
    auc_within_query: Figure | None
    grades: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()
    reliability: Reliability | None = None

    def figures(self) -> dict[str, Figure | None]:
        """Return the figures by their name."""
        return {name: getattr(self, name) for name in _FIGURES}

    def to_json(self) -> dict[str, Any]:
        """Return everything but the notes as JSON values, with null for what is not defined."""
        return {
            "pairs": self.pairs,
            "queries": self.queries,
            **figures_json(self.figures()),
            "grades": list(self.grades),
            "confusion": [list(row) for row in self.confusion],
            **({} if self.reliability is None else {"reliability": self.reliability.to_json()}),
        }

    def diagram(self) -> str:
        """Return the reliability diagram as SVG; raise DataError where the labels have no probabilities."""
        if self.reliability is None:
            raise DataError("the judged labels carry no probabilities, so there is no reliability diagram")
        return self.reliability.to_svg()

    def to_table(self) -> str:
        """Return the figures and the confusion matrix as text."""
        parts = [figures_table(self.figures(), self._headings), table(*self._confusion_table)]
        return "\n\n".join([*parts, *([] if self.reliability is None else [self.reliability.to_table()])])

    def _repr_html_(self) -> str:
        """Return the figures and the confusion matrix, as a notebook shows them."""
        tables = html_table(self._headings, figures_rows(self.figures())), html_table(*self._confusion_table)
        return "".join([*tables, *(f"<p>{escape(note)}</p>" for note in self.notes)])

    @property
    def _headings(self) -> list[str]:
        return [f"{counted(self.pairs, 'pair')}, {counted(self.queries, 'query')}", "value", "95 % CI"]

    @property
    def _confusion_table(self) -> tuple[list[str], list[list[str]]]:
        grades = [str(grade) for grade in self.grades]
        rows = zip(grades, self.confusion, strict=True)
        return ["human / judge", *grades], [[grade, *map(str, row)] for grade, row in rows]


def agreement(human: pl.DataFrame, judged: pl.DataFrame, scale: Scale, *, resamples: int, seed: int) -> Agreement:
    """Compare two judgments tables on the pairs that both graded; raise DataError where there is none."""
    both = common_pairs(human, judged, scale)
    query_of = both["query"].to_numpy()
    levels = both.select(pl.col("grade", "judged") - scale.lowest).to_numpy()
    matrices = _matrices(levels, query_of, len(scale.names))
    draws = query_draws(len(matrices), resamples=resamples, seed=seed)
    resampled = np.tensordot(draws.astype(np.float64), matrices, axes=1)
    total = matrices.sum(axis=0)

    def figure(statistic: Callable[[Matrix], Floats]) -> Figure:
        return Figure.from_resamples(float(statistic(total[None])[0]), statistic(resampled))

    def defined(statistic: Callable[[Matrix], Floats]) -> Figure | None:
        return Figure.from_resamples_or_none(float(statistic(total[None])[0]), statistic(resampled))

    cutoff = scale.level
    scores = None if both["expected"].null_count() else both["expected"].to_numpy()
    relevant = levels[:, 0] >= cutoff
    return Agreement(
        pairs=both.height,
        queries=len(matrices),
        kappa=defined(lambda m: kappa(m, _disagreement(m, power=0))),
        kappa_binary=defined(lambda m: kappa(_binary(m, cutoff), _disagreement(_binary(m, cutoff), power=0))),
        kappa_quadratic=defined(lambda m: kappa(m, _disagreement(m, power=2))),
        alpha_ordinal=defined(alpha_ordinal),
        mae=figure(lambda m: (m * _disagreement(m, power=1)).sum((1, 2)) / m.sum((1, 2))),
        accuracy=figure(lambda m: np.trace(m, axis1=1, axis2=2) / m.sum((1, 2))),
        majority_accuracy=figure(lambda m: m.sum(2).max(1) / m.sum((1, 2))),
        over_rating=figure(lambda m: _mean_grade(m.sum(1)) - _mean_grade(m.sum(2))),
        auc=None if scores is None else _auc_figure(scores, relevant, query_of, draws),
        auc_within_query=None if scores is None else _within_figure(scores, relevant, query_of, draws),
        grades=scale.grades,
        confusion=tuple(tuple(int(count) for count in row) for row in total),
        notes=tuple(_notes(levels[:, 0], len(matrices), scale)),
    )


def common_pairs(human: pl.DataFrame, judged: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Return the pairs that both tables grade, sorted by query and document; raise DataError where there is none.

    Columns: query_id, doc_id, grade (human), judged, probabilities, expected, confidence, and query, which counts
    the queries from 0.
    """
    columns = [*_PAIR, pl.col("grade").alias("judged"), "probabilities", "expected", "confidence"]
    both = (
        human.select(*_PAIR, "grade")
        .drop_nulls("grade")
        .join(judged.drop_nulls("grade").select(columns), on=_PAIR)
        .sort(_PAIR)
    )
    if both.is_empty():
        raise DataError("no pair has both a human and a judged label; check that the ids are of one collection")
    _check_scale(both, scale)
    return both.with_columns(query=pl.col("query_id").rank("dense").cast(pl.Int64) - 1)


def left_out(human: pl.DataFrame, judged: pl.DataFrame) -> list[str]:
    """Return a line for each side that has labels of pairs which the other has none of: no figure counts them."""
    lines = []
    sides = {"human": human.drop_nulls("grade"), "judged": judged.drop_nulls("grade")}
    for name, other in (("human", "judged"), ("judged", "human")):
        labels = sides[name]
        alone = labels.join(sides[other], on=_PAIR, how="anti")
        queries = len(set(labels["query_id"]) - set(sides[other]["query_id"]))
        if not alone.is_empty():
            more = f", those of {queries} whole queries among them" if queries else ""
            lines.append(f"{alone.height} of {labels.height} {name} labels have no {other} one and are left out{more}")
    return lines


def kappa(matrices: Matrix, disagreement: Matrix) -> Floats:
    """Return Cohen's (weighted) kappa of each confusion matrix, shape [n]; nan where its rows have one grade alone."""
    rows, columns, total = matrices.sum(2), matrices.sum(1), matrices.sum((1, 2))
    defined = (rows > 0).sum(1) > 1
    expected = rows[:, :, None] * columns[:, None, :] / total[:, None, None]
    observed_loss = (matrices * disagreement).sum((1, 2))
    expected_loss = (expected * disagreement).sum((1, 2))
    return np.asarray(
        np.where(defined, 1 - observed_loss / np.where(defined, expected_loss, 1), np.nan), dtype=np.float64
    )


def alpha_ordinal(matrices: Matrix) -> Floats:
    """Return Krippendorff's ordinal alpha of each confusion matrix, shape [n]; nan on one pair or one grade alone."""
    coincidences = matrices + matrices.transpose(0, 2, 1)
    margins = coincidences.sum(2)
    total = margins.sum(1)
    cumulative = np.cumsum(margins, axis=1)
    # Ordinal distance: grades between the two, the ends by half, squared.
    span = cumulative[:, None, :] - cumulative[:, :, None] + (margins[:, :, None] - margins[:, None, :]) / 2
    distance = np.square(span)
    observed = (coincidences * distance).sum((1, 2))
    expected = (margins[:, :, None] * margins[:, None, :] * distance).sum((1, 2)) / (total - 1)
    defined = (expected > 0) & (total > 2)
    return np.asarray(np.where(defined, 1 - observed / np.where(defined, expected, 1), np.nan), dtype=np.float64)


def auc(scores: Floats, relevant: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Return the area under the ROC curve, nan where all pairs of a weight are relevant, or none is.

    It is the weighted share of pairs of a relevant and an irrelevant document, equal scores counting half, that the
    scores order rightly (Mann-Whitney). scikit-learn's is not on the base install, on which agree works.
    """
    given = np.ones(len(scores)) if weights is None else weights
    _, place = np.unique(scores, return_inverse=True)
    above, below = np.bincount(place, given * relevant), np.bincount(place, given * ~relevant)
    possible = above.sum() * below.sum()
    return float(above @ (below.cumsum() - below / 2) / possible) if possible > 0 else float("nan")


def _disagreement(matrices: Matrix, *, power: int) -> Matrix:
    size = np.arange(matrices.shape[1])
    gap = np.abs(size[:, None] - size[None, :])
    return np.asarray(gap > 0 if power == 0 else gap**power, dtype=np.float64)


def _binary(matrices: Matrix, cutoff: int) -> Matrix:
    rows = np.stack([matrices[:, :cutoff].sum(1), matrices[:, cutoff:].sum(1)], axis=1)
    return np.stack([rows[:, :, :cutoff].sum(2), rows[:, :, cutoff:].sum(2)], axis=2)


def _mean_grade(counts: Matrix) -> Floats:
    return np.asarray((counts * np.arange(counts.shape[1])).sum(1) / counts.sum(1), dtype=np.float64)


def _matrices(levels: NDArray[np.int64], query_of: NDArray[np.int64], grades: int) -> Matrix:
    counts = np.zeros((int(query_of.max()) + 1, grades, grades))
    np.add.at(counts, (query_of, levels[:, 0], levels[:, 1]), 1)
    return counts


def _notes(human: NDArray[np.int64], queries: int, scale: Scale) -> Iterator[str]:
    """What is not defined, and why."""
    if human.max() < scale.level:
        yield (
            f"no human label reaches grade {scale.relevant}, from which the scale {scale.lowest}-{scale.highest} calls "
            "documents relevant: kappa_binary and AUC are not defined; if another grade is meant, give another scale"
        )
    elif human.min() >= scale.level:
        yield "every human label is of a relevant document: kappa_binary and AUC are not defined"
    if human.min() == human.max():
        yield f"every human label is of grade {human[0] + scale.lowest}: no kappa is defined"
    if queries == 1:
        yield "all pairs are of one query: there are no intervals"


def _check_scale(both: pl.DataFrame, scale: Scale) -> None:
    for name in ("grade", "judged"):
        outside = both.filter(~pl.col(name).is_in(scale.grades))
        if outside.height:
            grade = outside[name][0]
            raise DataError(f"grade {grade} is outside scale {scale.lowest}-{scale.highest}; give another scale")


def _auc_figure(
    scores: Floats, relevant: NDArray[np.bool_], query_of: NDArray[np.int64], draws: NDArray[np.int64]
) -> Figure | None:
    # 200 resamples: one AUC is a sort of all pairs, and the interval's ends move by under 0.005 between 200 and 2,000.
    values = [auc(scores, relevant, draw[query_of].astype(np.float64)) for draw in draws[:200]]
    return Figure.from_resamples_or_none(auc(scores, relevant), values)  # None where all pairs are relevant, or none is


def _within_figure(
    scores: Floats, relevant: NDArray[np.bool_], query_of: NDArray[np.int64], draws: NDArray[np.int64]
) -> Figure | None:
    each = np.array([auc(scores[query_of == q], relevant[query_of == q]) for q in range(draws.shape[1])])
    usable = ~np.isnan(each)
    if not usable.any():
        return None
    weights = draws[:, usable].astype(np.float64)
    weights = weights[weights.sum(1) > 0]
    return Figure.from_resamples(float(each[usable].mean()), weights @ each[usable] / weights.sum(1))
