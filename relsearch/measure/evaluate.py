"""Measure runs against human labels: means with bootstrap intervals, and paired tests against a baseline.

Every judged query counts: one that a run does not answer scores 0, as in trec_eval -c. A measure that credits none of
the labels is not defined, nor is an interval or a test on a single query.

Intervals are 95 % BCa bootstrap intervals over queries (Efron 1987). Differences are tested by the paired randomisation
test (Smucker et al. 2007), with Student's t next to it; Holm's correction covers all runs compared on a measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.display.html_table import html_table
from relsearch.core.display.text_table import interval, number, p_value, shortened, table
from relsearch.core.display.wording import counted
from relsearch.core.errors import ConfigError, DataError
from relsearch.measure.charts import estimates_chart
from relsearch.measure.estimate import Estimate
from relsearch.measure.prediction_powered import PoweredEvaluation
from relsearch.measure.query_values import from_zero, query_values, uncredited
from relsearch.stats.bootstrap import or_none
from relsearch.stats.randomisation import randomisation_p

if TYPE_CHECKING:
    import altair as alt

Floats = NDArray[np.float64]
_NAME_WIDTH = 18  # beside six columns of figures a line stays within 80 characters
_ROUNDING = 1e-12
_POWERED = "With the judged labels of more queries (width: of the difference's interval, human labels alone = 1)"
_BATCH = 2**19  # values of resamples that are held at once: some 20 MB


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean difference from the baseline with its interval, and two-sided p values."""

    difference: Estimate
    p_randomisation: float
    p_t: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Per run and measure: the estimate, the comparison with `baseline`, and the value of each query.

    Values stand in the order of `query_ids`. `notes` say what a reader must know of the figures, one line each.
    `powered` has the same runs on human and judged labels together, where judged ones were given.
    """

    query_ids: tuple[str, ...]
    estimates: Mapping[str, Mapping[str, Estimate]]
    comparisons: Mapping[str, Mapping[str, Comparison]]
    per_query: Mapping[str, Mapping[str, Floats]]
    notes: tuple[str, ...] = ()
    baseline: str = ""
    powered: PoweredEvaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """Return estimates and comparisons as JSON values, with null for what is not defined."""
        runs = {
            run: {measure: _estimate_json(each, "mean") for measure, each in measures.items()}
            for run, measures in self.estimates.items()
        }
        tests = {
            run: {measure: _comparison_json(each) for measure, each in measures.items()}
            for run, measures in self.comparisons.items()
        }
        found = {"queries": len(self.query_ids), "baseline": self.baseline, "runs": runs, "against_first": tests}
        return found | ({"with_judgments": self.powered.to_json()} if self.powered else {})

    def per_query_json(self) -> dict[str, Any]:
        """Return the values as JSON, by query, run and measure."""
        found: dict[str, Any] = {query_id: {} for query_id in self.query_ids}
        for row in self.rows():
            found[row["query_id"]].setdefault(row["run"], {})[row["measure"]] = row["value"]
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each query, run and measure: query_id, run, measure and value, None where not defined."""
        return [
            {"query_id": query_id, "run": run, "measure": measure, "value": or_none(float(values[place]))}
            for place, query_id in enumerate(self.query_ids)
            for run, measures in self.per_query.items()
            for measure, values in measures.items()
        ]

    def to_table(self) -> str:
        """Return one text table a measure."""
        tables = [self._measure_table(measure) for measure in next(iter(self.estimates.values()))]
        return "\n\n".join([*tables, *([f"{_POWERED}\n\n{self.powered.to_table()}"] if self.powered else [])])

    def to_chart(self) -> alt.FacetChart:
        """Return each run's means with their intervals as an Altair chart; raise MissingExtraError without it."""
        return estimates_chart(self.estimates)

    def _repr_html_(self) -> str:
        """Return one table a measure, as a notebook shows it."""
        names = list(self.estimates)
        tables = (html_table(*self._measure_rows(each, names)) for each in next(iter(self.estimates.values())))
        powered = [f"<p>{_POWERED}</p>", *(html_table(*each) for each in self.powered.tables())] if self.powered else []
        return "".join([*tables, *powered, *(f"<p>{escape(note)}</p>" for note in self.notes)])

    def _measure_table(self, measure: str) -> str:
        return table(*self._measure_rows(measure, shortened(list(self.estimates), _NAME_WIDTH)), width=None)

    def _measure_rows(self, measure: str, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """The headings and rows of a measure's table, with the runs by other names."""
        rows = []
        for name, (run, measures) in zip(names, self.estimates.items(), strict=True):
            estimate = measures[measure]
            row = [name, number(estimate.mean), interval(estimate.low, estimate.high), "", "", ""]
            if run in self.comparisons:
                each = self.comparisons[run][measure]
                difference = each.difference
                row[3:] = [
                    number(difference.mean, "+.3f"),
                    interval(difference.low, difference.high, "+.3f"),
                    p_value(each.p_holm),
                ]
            rows.append(row)
        title = f"{' '.join(measure.split())}, n={len(self.query_ids)}"
        columns = 6 if self.comparisons else 3  # a single run is compared with none
        return [title, "mean", "95 % CI", "diff", "95 % CI", "p (Holm)"][:columns], [row[:columns] for row in rows]


def evaluate(
    qrels: pl.DataFrame,
    runs: Mapping[str, pl.DataFrame],
    *,
    measures: Sequence[str],
    resamples: int,
    seed: int,
    lowest: int = 0,
    baseline: str | None = None,
    strict: bool = False,
) -> Evaluation:
    """Measure each run on every query of the qrels that has a label and compare it with `baseline`, or the first run.

    Grades count from `lowest`, the scale's. Raise DataError where nothing can be measured: no measure credits any of
    the labels, or with `strict` one of them does not; or a run answers none of the queries.
    """
    labels = from_zero(qrels, lowest)
    if labels.is_empty():
        raise DataError("nothing to evaluate: no label of the qrels has a grade")
    if not runs:
        raise DataError("nothing to evaluate: no run is given")
    first = baseline or next(iter(runs))
    if first not in runs:
        raise ConfigError(f"baseline {first!r} is none of the runs: {', '.join(runs)}")
    undefined = uncredited(labels, measures)
    if len(undefined) == len(set(measures)) or (strict and undefined):
        raise DataError("; ".join(undefined.values()))
    notes = list(undefined.values())
    per_query = {}
    for name in runs:  # each is looked up once, and let go before the next: a mapping may read them from files
        per_query[name], remarks = _measured(name, runs[name], labels, measures)
        notes += remarks
    estimates = {
        name: {measure: estimate(values, resamples=resamples, seed=seed) for measure, values in by_measure.items()}
        for name, by_measure in per_query.items()
    }
    comparisons: dict[str, dict[str, Comparison]] = {name: {} for name in runs if name != first}
    for measure in next(iter(per_query.values())):
        values = {name: by_measure[measure] for name, by_measure in per_query.items()}
        for name, each in _compare(values, first, resamples=resamples, seed=seed).items():
            comparisons[name][measure] = each
    query_ids = tuple(sorted(set(labels["query_id"])))
    return Evaluation(query_ids, estimates, comparisons, per_query, tuple(notes), first)


def refuse_judge_labels(qrels: pl.DataFrame, *, allow: bool) -> None:
    """Raise DataError where labels come from a judge and that was not asked for by name."""
    judged = qrels.filter(pl.col("source") == "judge").height
    if judged and not allow:
        raise DataError(
            f"{judged} of {qrels.height} labels come from a judge; --judge-labels, judge_labels=True, allows them"
        )


def estimate(values: Floats, *, resamples: int, seed: int) -> Estimate:
    """Return the mean of per-query values with its BCa interval; no spread, no interval."""
    from scipy.stats import bootstrap

    mean = float(values.mean())
    if len(values) < 2 or np.isnan(mean):
        return Estimate(mean, np.nan, np.nan)
    if np.ptp(values) == 0:
        return Estimate(mean, mean, mean)
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, _BATCH // len(values)),
        method="percentile",
        rng=np.random.default_rng(seed),
        vectorized=True,
    )
    return Estimate(mean, *_bca(values, found.bootstrap_distribution))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p values corrected for their number (Holm 1979)."""
    corrected: dict[str, float] = {}  # where one is nan all are: the runs share the queries
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = float(np.maximum(highest, np.minimum(1.0, p_values[name] * (len(p_values) - place))))
        corrected[name] = highest
    return corrected


def _bca(values: Floats, resampled: Floats) -> tuple[float, float]:
    """The BCa interval of the mean, whose jackknife needs no means of n - 1 values: SciPy's takes n of them."""
    from scipy.special import ndtr, ndtri

    deviations = values - values.mean()
    acceleration = np.sum(deviations**3) / (6 * np.sum(deviations**2) ** 1.5)
    below = np.count_nonzero(resampled < values.mean()) + np.count_nonzero(resampled <= values.mean())
    bias = ndtri(below / (2 * len(resampled)))
    if np.isinf(bias):  # all of a few resamples are on one side
        return np.nan, np.nan
    ends = bias + ndtri([0.025, 0.975])
    low, high = np.quantile(resampled, ndtr(bias + ends / (1 - acceleration * ends)))
    return float(low), float(high)


def _measured(
    name: str, run: pl.DataFrame, labels: pl.DataFrame, measures: Sequence[str]
) -> tuple[dict[str, Floats], list[str]]:
    """The run's values, and what its zeros are due to; raise DataError where all are, since it answers no query."""
    queries = set(labels["query_id"])
    unanswered = len(queries - set(run["query_id"].unique()))
    if unanswered == len(queries):
        raise DataError(
            f"run {name}: none of the {counted(len(queries), 'labelled query')} is in it; check that both are of one "
            "collection"
        )
    notes = []
    if unanswered:
        notes.append(f"{name}: no document for {unanswered} of {counted(len(queries), 'query')}, which count as 0")
    if unlabelled := run["query_id"].n_unique() - (len(queries) - unanswered):
        notes.append(f"{name}: {unlabelled} of its queries have no label and are left out")
    if not run["doc_id"].is_in(labels["doc_id"].implode()).any():
        notes.append(f"{name}: none of its documents has a label; check that both are of one collection")
    return query_values(labels, run, measures), notes


def _compare(values: Mapping[str, Floats], first: str, *, resamples: int, seed: int) -> dict[str, Comparison]:
    others = [name for name in values if name != first]
    differences = {name: values[name] - values[first] for name in others}
    tests = {name: _test(difference, seed=seed) for name, difference in differences.items()}
    corrected = holm({name: p for name, (p, _) in tests.items()})
    return {
        name: Comparison(estimate(differences[name], resamples=resamples, seed=seed), *tests[name], corrected[name])
        for name in others
    }


def _test(differences: Floats, *, seed: int) -> tuple[float, float]:
    from scipy.stats import ttest_1samp

    if len(differences) < 2 or np.isnan(differences).any():
        return np.nan, np.nan
    if not np.any(differences):
        return 1.0, 1.0
    # Differences that are equal but for rounding have no spread to test by.
    t = float(ttest_1samp(differences, 0).pvalue) if np.ptp(differences) > _ROUNDING else 0.0
    return randomisation_p(differences, alternative="two-sided", seed=seed), t


def _estimate_json(each: Estimate, name: str) -> dict[str, float | None]:
    return {name: or_none(each.mean), "low": or_none(each.low), "high": or_none(each.high)}


def _comparison_json(each: Comparison) -> dict[str, float | None]:
    tests = {name: or_none(getattr(each, name)) for name in ("p_randomisation", "p_t", "p_holm")}
    return {**_estimate_json(each.difference, "difference"), **tests}
