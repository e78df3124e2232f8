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

    `both` queries have human and judged labels, `judged` ones judged labels alone.
    """

    both: int
    judged: int
    baseline: str
    estimates: Mapping[str, Mapping[str, Powered]]
    differences: Mapping[str, Mapping[str, Powered]]

    def to_json(self) -> dict[str, Any]:
        """Return estimates and differences as JSON values."""
        parts = {
            name: {run: {measure: each.to_json() for measure, each in of.items()} for run, of in runs.items()}
            for name, runs in (("runs", self.estimates), ("differences", self.differences))
        }
        return {"queries_of_both": self.both, "queries_of_the_judge": self.judged, **parts}

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


def powered_mean(human: Floats, judged: Floats, more: Floats) -> Powered:
    """Return the mean of what `human` has for some queries and would have for others.

    `human` and `judged` are the values of the same queries by people's and by the judge's labels, three or more;
    `more` has the judge's values of the other queries.
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
    alone = float(t.ppf(_LEVEL, queries - 1) * np.sqrt(spread[0, 0] / queries))
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
    """Measure runs on the human and the judged labels together; the judge's queries are those that every run answers.

    Raise DataError where fewer than five queries have both, or fewer than two judged labels alone.
    """
    human, labels = from_zero(qrels, lowest), from_zero(judgments, lowest)
    by_people, by_judge = set(human["query_id"]), set(labels["query_id"])
    both, answered = by_people & by_judge, by_judge - by_people
    for name in runs:  # looked up one at a time: a mapping may read them from files
        answered &= set(runs[name]["query_id"].unique())
    if len(both) < FEWEST or len(answered) < 2:
        raise DataError(
            f"judgments: {len(both)} queries with human and judged labels (at least {FEWEST} are needed), "
            f"{len(answered)} in every run with judged labels alone (at least 2); judge more queries of both kinds"
        )
    parts = (_of(human, both), _of(labels, both), _of(labels, answered))
    values = {name: _values(parts, runs[name], measures) for name in runs}
    others = {name: of for name, of in values.items() if name != baseline}
    return PoweredEvaluation(
        both=len(both),
        judged=len(answered),
        baseline=baseline,
        estimates={name: {each: powered_mean(*of[each]) for each in of} for name, of in values.items()},
        differences={
            name: {
                each: powered_mean(*(mine - base for mine, base in zip(of[each], values[baseline][each], strict=True)))
                for each in of
            }
            for name, of in others.items()
        },
    )


def _of(labels: pl.DataFrame, queries: set[str]) -> pl.DataFrame:
    return labels.filter(pl.col("query_id").is_in(pl.Series(sorted(queries), dtype=pl.String).implode()))


def _values(
    parts: Sequence[pl.DataFrame], run: pl.DataFrame, measures: Sequence[str]
) -> dict[str, tuple[Floats, Floats, Floats]]:
    """A run's values by measure: of both's queries by people and by the judge, and of the judge's own."""
    human, judged, more = (query_values(labels, run, measures) for labels in parts)
    return {name: (human[name], judged[name], more[name]) for name in human}
