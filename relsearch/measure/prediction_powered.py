"""Means over queries from few human and many judged labels, by prediction-powered inference.

A judge's labels give each query a value that errs as the judge does; the queries that people labelled too show by how
much. The mean over all judged queries, corrected by the mean error on those, has a valid interval whatever the judge is
worth, and a narrower one the better its values follow people's. The judge's weight is PPI++'s (Angelopoulos, Duchi and
Zrnic 2023, arXiv 2311.01453), with queries as units and Student's t, as these are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.display.text_table import interval, number, shortened, table
from relsearch.core.errors import DataError
from relsearch.core.tables import CALIBRATED
from relsearch.measure.estimate import Estimate
from relsearch.measure.query_values import from_zero, query_values
from relsearch.stats.bootstrap import or_none

Floats = NDArray[np.float64]
FEWEST = 5  # queries that both label: of fewer no error of the judge can be told
_LEVEL = 0.975
_NAME_WIDTH = 18


@dataclass(frozen=True, slots=True)
class Powered:
    """A mean with its 95 % interval; the judge's weight, 0 to 1; and the interval's width beside human labels alone."""

    estimate: Estimate
    weight: float
    width_ratio: float

    def to_json(self) -> dict[str, float | None]:
        """Return all as JSON values, with null for what is not defined."""
        values = (self.estimate.mean, self.estimate.low, self.estimate.high, self.weight, self.width_ratio)
        return dict(zip(("mean", "low", "high", "weight", "width_ratio"), map(or_none, values), strict=True))


@dataclass(frozen=True, slots=True)
class PoweredEvaluation:
    """Per run and measure the mean over queries, and its difference from `baseline`.

    `both` queries have human and judged labels, `judged` ones judged labels alone. `left_out` ones have human labels
    alone, or no run answers them.
    """

    both: int
    judged: int
    left_out: int
    baseline: str
    estimates: Mapping[str, Mapping[str, Powered]]
    differences: Mapping[str, Mapping[str, Powered]]

    def to_json(self) -> dict[str, Any]:
        """Return estimates and differences as JSON values."""
        parts = {
            name: {run: {measure: each.to_json() for measure, each in of.items()} for run, of in runs.items()}
            for name, runs in (("runs", self.estimates), ("differences", self.differences))
        }
        counts = {"queries_of_both": self.both, "queries_of_the_judge": self.judged, "queries_left_out": self.left_out}
        return {**counts, **parts}

    def to_table(self) -> str:
        """Return one text table a measure."""
        names = shortened(list(self.estimates), _NAME_WIDTH)
        return "\n\n".join(table(*self._measure_rows(measure, names), width=None) for measure in self._measures())

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the headings and rows of each measure's table."""
        return [self._measure_rows(measure, list(self.estimates)) for measure in self._measures()]

    def _measure_rows(self, measure: str, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """The headings and rows of a measure's table, with the runs by other names."""
        rows = []
        for name, (run, measures) in zip(names, self.estimates.items(), strict=True):
            mean, row = measures[measure].estimate, [name]
            row += [number(mean.mean), interval(mean.low, mean.high), "", "", ""]
            if run in self.differences:
                each = self.differences[run][measure]
                change = each.estimate
                row[3:] = [number(change.mean, "+.3f"), interval(change.low, change.high, "+.3f")]
                row.append(number(each.width_ratio, ".2f"))
            rows.append(row)
        title = f"{' '.join(measure.split())}, {self.both} + {self.judged} judged"
        return [title, "mean", "95 % CI", "diff", "95 % CI", "width"], rows

    def _measures(self) -> list[str]:
        return list(next(iter(self.estimates.values())))


def powered_mean(human: Floats, judged: Floats, more: Floats, *, labelled: Floats | None = None) -> Powered:
    """Return the mean of what `human` has for some queries and would have for others.

    `human` and `judged` are the values of the same queries by people's and by the judge's labels, three or more;
    `more` has the judge's values of the other queries. `labelled` has people's values of all queries that they
    labelled, whose interval the width is compared with; by default these are `human`.
    """
    from scipy.stats import t

    queries, others = len(human), len(more)
    spread = np.cov(human, judged)
    weight = spread[0, 1] / (spread[1, 1] * (1 + queries / others)) if spread[1, 1] else 0.0
    weight = float(np.clip(weight, 0.0, 1.0))
    error = human - weight * judged
    mean = float(weight * more.mean() + error.mean())
    # The weight is fitted too: a degree of freedom less than for the mean alone.
    variance = weight**2 * np.var(more, ddof=1) / others + np.var(error, ddof=2) / queries
    half = float(t.ppf(_LEVEL, queries - 2) * np.sqrt(variance))
    every = human if labelled is None else labelled
    alone = float(t.ppf(_LEVEL, len(every) - 1) * np.sqrt(np.var(every, ddof=1) / len(every)))
    return Powered(Estimate(mean, mean - half, mean + half), weight, half / alone if alone else np.nan)


def evaluate_powered(
    qrels: pl.DataFrame,
    judgments: pl.DataFrame,
    runs: Mapping[str, pl.DataFrame],
    *,
    measures: Sequence[str],
    baseline: str,
    lowest: int = 0,
) -> PoweredEvaluation:
    """Measure runs on the human and the judged labels together, on the queries that any of the runs answers.

    A run that lacks one of them has 0 there by either kind of labels: both kinds are of the same sort of queries. Raise
    DataError where fewer than five queries have both, or fewer than two judged labels alone, or where human grades
    calibrated judged labels: on the labelled queries these err less than on the others.
    """
    if calibrated := judgments["judge"].str.ends_with(CALIBRATED).sum():
        raise DataError(
            f"judgments: {calibrated} of {judgments.height} labels are calibrated on human grades, so that they cannot "
            "show how the judge errs elsewhere; grade without --qrels"
        )
    human, labels = from_zero(qrels, lowest), from_zero(judgments, lowest)
    answered: set[str] = set()
    for name in runs:  # looked up one at a time: a mapping may read them from files
        answered.update(runs[name]["query_id"].unique())
    by_people, by_judge = answered & set(human["query_id"]), answered & set(labels["query_id"])
    both, more = by_people & by_judge, by_judge - by_people
    if len(both) < FEWEST or len(more) < 2:
        raise DataError(
            f"judgments: in the runs are {len(both)} queries with human and judged labels (at least {FEWEST} are "
            f"needed), and {len(more)} with judged labels alone (at least 2); judge more queries of both kinds"
        )
    parts = (_of(human, both), _of(labels, both), _of(labels, more), _of(human, by_people))
    values = {name: _values(parts, runs[name], measures) for name in runs}
    others = {name: of for name, of in values.items() if name != baseline}
    return PoweredEvaluation(
        both=len(both),
        judged=len(more),
        left_out=human["query_id"].n_unique() - len(both),
        baseline=baseline,
        estimates={name: {each: _powered(of[each]) for each in of} for name, of in values.items()},
        differences={
            name: {
                each: _powered([mine - base for mine, base in zip(of[each], values[baseline][each], strict=True)])
                for each in of
            }
            for name, of in others.items()
        },
    )


def _of(labels: pl.DataFrame, queries: set[str]) -> pl.DataFrame:
    return labels.filter(pl.col("query_id").is_in(pl.Series(sorted(queries), dtype=pl.String).implode()))


def _values(parts: Sequence[pl.DataFrame], run: pl.DataFrame, measures: Sequence[str]) -> dict[str, list[Floats]]:
    """A run's values by measure, of each part's queries in their order."""
    found = [query_values(labels, run, measures) for labels in parts]
    return {name: [of[name] for of in found] for name in found[0]}


def _powered(values: Sequence[Floats]) -> Powered:
    """The mean by the values of both's queries by people and by the judge, of the judge's own, and of all people's."""
    human, judged, more, labelled = values
    return powered_mean(human, judged, more, labelled=labelled)
