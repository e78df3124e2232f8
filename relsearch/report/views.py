"""What the page's template shows, section by section: figures as they are read, and where they stand in a chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from relsearch.core.display.text_table import interval, number, p_value
from relsearch.measure.estimate import Estimate
from relsearch.measure.evaluate import Evaluation
from relsearch.report.charts import Axis, Span, gain_paths, line_segments, shares
from relsearch.report.data import Curves, JudgeCheck, ReportData, first_measure
from relsearch.report.judge import by_human_grade, disagreements, shades
from relsearch.report.queries import EXTREMES, LISTED, excerpt, query_rows, result_lists, shown_queries, title_and_body

_JUDGE_FIGURES = {
    "kappa": "Cohen's kappa, all grades",
    "kappa_binary": "Cohen's kappa, relevant or not",
    "kappa_quadratic": "Cohen's kappa, quadratic weights",
    "alpha_ordinal": "Krippendorff's alpha, ordinal",
    "accuracy": "same grade",
    "majority_accuracy": "same grade, were it always the commonest",
    "mae": "mean absolute error, in grades",
    "over_rating": "mean over-rating, in grades",
    "auc": "AUC of relevance",
}


@dataclass(frozen=True, slots=True)
class Estimated:
    """A row of a table of estimates: a name, its figures as they are read, and where they stand in the chart."""

    name: str
    figures: tuple[str, ...]
    span: Span
    featured: bool

    @classmethod
    def on(
        cls,
        axis: Axis,
        name: str,
        estimate: Estimate,
        *,
        featured: bool,
        spec: str = ".3f",
        more: tuple[str, ...] = (),
    ) -> Estimated:
        """Return the row of an estimate whose chart has this axis, with `more` figures at its end."""
        shown = number(estimate.mean, spec), interval(estimate.low, estimate.high, spec)
        return cls(name, (*shown, *more), Span.on(axis, estimate.mean, estimate.low, estimate.high), featured)


def comparison_view(data: ReportData) -> dict[str, Any]:
    """Return the runs' measures, each run's gains and losses by query, and the result lists that the page opens."""
    evaluation = data.evaluation
    if evaluation is None:
        return {"evaluation": None, "lists": {}, "measures": {}, "compared": []}
    listed = {query_id: place for place, query_id in enumerate(shown_queries(evaluation, data.featured))}
    return {
        "evaluation": evaluation,
        "measure": first_measure(evaluation),
        "measures": {measure: _estimates(data, evaluation, measure) for measure in evaluation.estimates[data.featured]},
        "compared": [
            _queries(data, run, listed)
            for run in sorted(evaluation.comparisons, key=lambda name: name != data.featured)
        ],
        "lists": result_lists(data, listed),
        "most": LISTED,
    }


def _estimates(data: ReportData, evaluation: Evaluation, measure: str) -> dict[str, Any]:
    """The means of a measure and the differences from the baseline, each with a chart's axis."""
    means = {run: each[measure] for run, each in evaluation.estimates.items()}
    comparisons = {run: each[measure] for run, each in evaluation.comparisons.items()}
    differences = {run: each.difference for run, each in comparisons.items()}
    mean_axis, gain_axis = (Axis.around(_ends(each.values())) for each in (means, differences))
    return {
        "axis": mean_axis,
        "means": [Estimated.on(mean_axis, run, each, featured=run == data.featured) for run, each in means.items()],
        "gain_axis": gain_axis,
        "gains": [
            Estimated.on(
                gain_axis,
                run,
                each,
                featured=run == data.featured,
                spec="+.3f",
                more=(p_value(comparisons[run].p_holm),),
            )
            for run, each in differences.items()
        ],
    }


def _ends(estimates: Iterable[Estimate]) -> Iterator[float]:
    for each in estimates:
        yield from (each.mean, each.low, each.high)


def _queries(data: ReportData, run: str, listed: dict[str, int]) -> dict[str, Any]:
    rows = query_rows(data, run, listed)
    differences = [row.difference for row in rows]
    return {
        "run": run,
        "rows": rows,
        "kept": [row for row in rows if row.listed],
        "paths": gain_paths(differences),
        "most": max((abs(value) for value in differences), default=0.0),
        "chart": [[row.place, round(row.difference, 4), row.text] for row in rows],
        "best": [row for row in rows[:EXTREMES] if row.difference > 0],
        "worst": [row for row in reversed(rows[-EXTREMES:]) if row.difference < 0],
        "better": sum(value > 0 for value in differences),
        "worse": sum(value < 0 for value in differences),
    }


def judge_view(data: ReportData, check: JudgeCheck) -> dict[str, Any]:
    """Return how the judge agrees with people, in figures and pictures, and the pairs furthest apart."""
    agreement = check.agreement
    figures = agreement.figures()
    return {
        "on": check.on,
        "agreement": agreement,
        "notes": check.notes,
        "figures": [
            (said, number(each.value), interval(each.low, each.high))
            for name, said in _JUDGE_FIGURES.items()
            if (each := figures[name]) is not None
        ],
        "rates": by_human_grade(check),
        "shades": shades(check),
        "reliability": Markup(check.reliability.to_svg()) if check.reliability else "",  # noqa: S704  # it escapes
        "worst": [
            (
                pair,
                excerpt(data.queries.get(pair.query_id, pair.query_id), 300),
                title_and_body(data.documents.get(pair.doc_id, "")),
            )
            for pair in disagreements(check)
        ],
    }


def labels_view(data: ReportData) -> dict[str, Any]:
    """Return the labels of each source by grade, in a table and as stacked bars."""
    grades = sorted(
        {grade for counts in data.label_counts.values() for grade in counts}, key=lambda name: (name == "none", name)
    )
    rows = {name: [counts.get(grade, 0) for grade in grades] for name, counts in data.label_counts.items()}
    return {"grades": grades, "rows": [(name, counts, shares(counts)) for name, counts in rows.items()]}


def curves_view(curves: Curves) -> dict[str, Any]:
    """Return what was measured by step, drawn on one pair of axes, and each line's first and best value."""
    looks = [look for line in curves.lines.values() for look in line]
    best = min if curves.least_best else max
    steps = Axis.around(step for step, _ in looks)
    values = Axis.around((value for _, value in looks), start=looks[0][1])
    return {
        "caption": curves.caption,
        "axis": values,
        "across": steps,
        "lines": [
            (name, line_segments(line, steps, values), line, best(value for _, value in line))
            for name, line in curves.lines.items()
        ],
    }


def depths_view(data: ReportData) -> dict[str, Any] | None:
    """Return the featured run's quality by candidates read, drawn; and the milliseconds of the deepest where known."""
    if data.evaluation is None or not data.by_depth:
        return None
    measure = first_measure(data.evaluation)
    ms = data.latency_ms.get(data.featured)
    caption = f"{measure} of {data.featured} by how many of {data.evaluation.baseline}'s candidates it reads"
    drawn = curves_view(Curves(caption, {data.featured: data.by_depth}))
    rows = [
        (f"{depth:,}", "" if ms is None else f"{ms * depth / 100:.0f} ms", number(value))
        for depth, value in data.by_depth
    ]
    return {**drawn, "measure": measure, "rows": rows, "timed": ms is not None}


def latency_view(data: ReportData) -> list[tuple[str, str, str, float]]:
    """Return each run whose time is known: its name, milliseconds, its first measure, and the length of its bar."""
    if data.evaluation is None or not data.latency_ms:
        return []
    measure, most = first_measure(data.evaluation), max(data.latency_ms.values())
    return [
        (run, f"{ms:.0f}", number(data.evaluation.estimates[run][measure].mean), round(100 * ms / most, 1))
        for run, ms in data.latency_ms.items()
        if run in data.evaluation.estimates
    ]
