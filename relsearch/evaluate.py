"""Measure runs against human labels: means with bootstrap intervals, and paired tests against the first run.

Every judged query counts: one that a run does not answer scores 0, as in trec_eval -c. Intervals are 95 % BCa
bootstrap intervals over queries (Efron 1987). Differences are tested by the paired randomisation test
(Smucker et al. 2007), beside Student's t; Holm's correction covers all runs compared on a measure.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.errors import ConfigError, DataError
from relsearch.show import table

Floats = NDArray[np.float64]
_PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean difference from the first run with its interval, and two-sided p values."""

    difference: Estimate
    p_randomisation: float
    p_t: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Per run and measure: the estimate, the comparison with the first run, and the value of each query."""

    query_ids: tuple[str, ...]
    estimates: Mapping[str, Mapping[str, Estimate]]
    comparisons: Mapping[str, Mapping[str, Comparison]]
    per_query: Mapping[str, Mapping[str, Floats]]

    def to_json(self) -> dict[str, Any]:
        """Return estimates and comparisons as JSON values."""
        runs = {
            run: {measure: {"mean": e.mean, "low": e.low, "high": e.high} for measure, e in measures.items()}
            for run, measures in self.estimates.items()
        }
        tests = {
            run: {measure: _comparison_json(each) for measure, each in measures.items()}
            for run, measures in self.comparisons.items()
        }
        return {"queries": len(self.query_ids), "runs": runs, "against_first": tests}

    def to_table(self) -> str:
        """Return one text table a measure."""
        return "\n\n".join(self._measure_table(measure) for measure in next(iter(self.estimates.values())))

    def _measure_table(self, measure: str) -> str:
        rows = []
        for run, measures in self.estimates.items():
            estimate = measures[measure]
            row = [run, f"{estimate.mean:.3f}", f"{estimate.low:.3f} - {estimate.high:.3f}", "", "", ""]
            if run in self.comparisons:
                each = self.comparisons[run][measure]
                difference = each.difference
                row[3:] = [
                    f"{difference.mean:+.3f}",
                    f"{difference.low:+.3f} - {difference.high:+.3f}",
                    f"{each.p_holm:.4f}",
                ]
            rows.append(row)
        return table([f"{measure}, n={len(self.query_ids)}", "mean", "95 % CI", "diff", "95 % CI", "p (Holm)"], rows)


def evaluate(
    qrels: pl.DataFrame, runs: Mapping[str, pl.DataFrame], *, measures: Sequence[str], resamples: int, seed: int
) -> Evaluation:
    """Measure each run on every query of the qrels that has a label and compare it with the first run."""
    qrels = qrels.drop_nulls("grade")
    if qrels.is_empty() or not runs:
        raise DataError("nothing to evaluate: the qrels or the list of runs is empty")
    query_ids = tuple(sorted(set(qrels["query_id"])))
    per_query = {name: query_values(qrels, run, measures) for name, run in runs.items()}
    estimates = {
        name: {measure: estimate(values, resamples=resamples, seed=seed) for measure, values in by_measure.items()}
        for name, by_measure in per_query.items()
    }
    comparisons: dict[str, dict[str, Comparison]] = {name: {} for name in list(runs)[1:]}
    for measure in next(iter(per_query.values())):
        values = {name: by_measure[measure] for name, by_measure in per_query.items()}
        for name, each in _compare(values, resamples=resamples, seed=seed).items():
            comparisons[name][measure] = each
    return Evaluation(query_ids, estimates, comparisons, per_query)


def query_values(qrels: pl.DataFrame, run: pl.DataFrame, measures: Sequence[str]) -> dict[str, Floats]:
    """Return each measure's value of every query of the qrels, in the order of query ids; 0 where the run has none."""
    import ir_measures

    parsed = {text: _parse(text) for text in measures}
    query_ids = sorted(set(qrels["query_id"]))
    labels = [ir_measures.Qrel(*row) for row in qrels.select("query_id", "doc_id", "grade").iter_rows()]
    scored = [
        ir_measures.ScoredDoc(*row) for row in run.select("query_id", "doc_id", pl.col("rank") * -1.0).iter_rows()
    ]
    place = {query_id: row for row, query_id in enumerate(query_ids)}
    names = {measure: text for text, measure in parsed.items()}
    values = {text: np.zeros(len(query_ids)) for text in parsed}
    for metric in ir_measures.iter_calc(list(parsed.values()), labels, scored):
        values[names[metric.measure]][place[metric.query_id]] = metric.value
    return values


def refuse_judge_labels(qrels: pl.DataFrame, *, allow: bool) -> None:
    """Raise DataError where labels come from a judge and that was not asked for by name."""
    judged = qrels.filter(pl.col("source") == "judge").height
    if judged and not allow:
        raise DataError(f"{judged} of {qrels.height} labels come from a judge; pass --judge-labels to measure on them")


def estimate(values: Floats, *, resamples: int, seed: int) -> Estimate:
    """Return the mean of per-query values with its BCa interval; no spread, no interval."""
    from scipy.stats import bootstrap

    mean = float(values.mean())
    if len(values) < 2 or np.ptp(values) == 0:
        return Estimate(mean, mean, mean)
    rng = np.random.default_rng(seed)
    found = bootstrap((values,), np.mean, n_resamples=resamples, method="BCa", rng=rng, vectorized=True)
    return Estimate(mean, float(found.confidence_interval.low), float(found.confidence_interval.high))


def _compare(values: Mapping[str, Floats], *, resamples: int, seed: int) -> dict[str, Comparison]:
    first, *others = values
    differences = {name: values[name] - values[first] for name in others}
    tests = {name: _test(difference, seed=seed) for name, difference in differences.items()}
    corrected = _holm({name: p for name, (p, _) in tests.items()})
    return {
        name: Comparison(estimate(differences[name], resamples=resamples, seed=seed), *tests[name], corrected[name])
        for name in others
    }


def _test(differences: Floats, *, seed: int) -> tuple[float, float]:
    from scipy.stats import permutation_test, ttest_1samp

    if not np.any(differences):
        return 1.0, 1.0
    rng = np.random.default_rng(seed)
    found = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=_PERMUTATIONS, rng=rng, vectorized=True
    )
    t = float(ttest_1samp(differences, 0).pvalue) if np.ptp(differences) > 0 else 0.0
    return float(found.pvalue), t


def _holm(p_values: Mapping[str, float]) -> dict[str, float]:
    corrected: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - place)))
        corrected[name] = highest
    return corrected


def _parse(text: str) -> Any:
    import ir_measures

    try:
        return ir_measures.parse_measure(text)
    except (NameError, ValueError, SyntaxError) as exc:
        known = [*map(str, ir_measures.measures.registry), "nDCG@10", "RR@10", "P@10", "R@100", "AP"]
        near = difflib.get_close_matches(text, known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}?" if near else "write it as ir-measures does, e.g. nDCG@10"
        raise ConfigError(f"measure {text!r} is not known; {hint}") from exc


def _comparison_json(each: Comparison) -> dict[str, float]:
    return {
        "difference": each.difference.mean,
        "low": each.difference.low,
        "high": each.difference.high,
        "p_randomisation": each.p_randomisation,
        "p_t": each.p_t,
        "p_holm": each.p_holm,
    }
