"""The page itself: one HTML file with its style, its script and its data, which asks no network for anything.

No text of a document or a query is ever markup or script: Jinja2 escapes what it writes, the script sets text alone,
and the page's Content-Security-Policy runs only the style and the script whose hashes it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from relsearch.core.files.outputs import check_output
from relsearch.core.text_table import interval, number, p_value
from relsearch.measure.evaluate import Evaluation
from relsearch.report import words
from relsearch.report.charts import Axis, Span, gain_paths, line_segments, shares
from relsearch.report.data import JudgeCheck, ReportData
from relsearch.report.judge import by_human_grade, disagreements, shades
from relsearch.report.queries import EXTREMES, LISTED, excerpt, query_rows, result_lists, shown_queries, title_and_body

MARK = "relsearch report"  # in the page's meta tag, by which a file is known to be a report
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
    told: bool


def render_page(data: ReportData) -> str:
    """Return the page as HTML."""
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            data=data,
            mark=MARK,
            style=Markup(style),  # noqa: S704  # a file of this package
            script=Markup(script),  # noqa: S704
            policy="default-src 'none'; base-uri 'none'; form-action 'none'; "
            f"style-src '{_digest(style)}'; script-src '{_digest(script)}'",
            **_compared(data),
            judge=_judge(data) if data.judge else None,
            labels=_labels(data),
            curves=_curves(data),
            latency=_latency(data),
            words=words,
        )
    )


def check_page(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Raise DataError where a page cannot be written to `path`, or would replace an input or another file."""
    check_output(path, inputs=inputs, ours=_is_page)


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return f'content="{MARK}"'.encode() in file.read(4096)


def _compared(data: ReportData) -> dict[str, Any]:
    evaluation = data.evaluation
    if evaluation is None:
        return {"evaluation": None, "lists": {}, "gains": [], "measures": {}, "compared": []}
    listed = {query_id: place for place, query_id in enumerate(shown_queries(evaluation, data.told))}
    return {
        "evaluation": evaluation,
        "measures": {measure: _estimates(data, evaluation, measure) for measure in evaluation.estimates[data.told]},
        "compared": [
            _queries(data, run, listed) for run in sorted(evaluation.comparisons, key=lambda name: name != data.told)
        ],
        "lists": result_lists(data, listed),
        "most": LISTED,
    }


def _estimates(data: ReportData, evaluation: Evaluation, measure: str) -> dict[str, Any]:
    """The means of a measure and the differences from the baseline, each with a chart's axis."""
    means = {run: each[measure] for run, each in evaluation.estimates.items()}
    axis = Axis.around(end for each in means.values() for end in (each.mean, each.low, each.high))
    differences = {run: each[measure] for run, each in evaluation.comparisons.items()}
    gains = Axis.around(
        end
        for each in differences.values()
        for end in (each.difference.mean, each.difference.low, each.difference.high)
    )
    return {
        "axis": axis,
        "means": [
            Estimated(
                run,
                (number(each.mean), interval(each.low, each.high)),
                Span.on(axis, each.mean, each.low, each.high),
                run == data.told,
            )
            for run, each in means.items()
        ],
        "gain_axis": gains,
        "gains": [
            Estimated(
                run,
                (
                    number(each.difference.mean, "+.3f"),
                    interval(each.difference.low, each.difference.high, "+.3f"),
                    p_value(each.p_holm),
                ),
                Span.on(gains, each.difference.mean, each.difference.low, each.difference.high),
                run == data.told,
            )
            for run, each in differences.items()
        ],
    }


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


def _judge(data: ReportData) -> dict[str, Any]:
    check = data.judge
    assert isinstance(check, JudgeCheck)  # noqa: S101
    agreement = check.agreement
    figures = agreement.figures()
    return {
        "on": check.on,
        "agreement": agreement,
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


def _labels(data: ReportData) -> dict[str, Any]:
    """The labels of each source by grade, in a table and as stacked bars."""
    grades = sorted(
        {grade for counts in data.label_counts.values() for grade in counts}, key=lambda name: (name == "none", name)
    )
    rows = {name: [counts.get(grade, 0) for grade in grades] for name, counts in data.label_counts.items()}
    return {"grades": grades, "rows": [(name, counts, shares(counts)) for name, counts in rows.items()]}


def _curves(data: ReportData) -> dict[str, Any]:
    """The dev measure of each training, drawn on one pair of axes."""
    points = [point for curve in data.curves.values() for point in curve]
    if not points:
        return {}
    steps, values = Axis.around(step for step, _ in points), Axis.around((v for _, v in points), start=points[0][1])
    return {
        "steps": steps,
        "values": values,
        "lines": [(name, line_segments(curve, steps, values), curve) for name, curve in data.curves.items()],
    }


def _latency(data: ReportData) -> list[tuple[str, str, str, float]]:
    """Each run whose time is known: its name, milliseconds, its first measure, and the length of its bar."""
    if data.evaluation is None or not data.latency_ms:
        return []
    most = max(data.latency_ms.values())
    return [
        (run, f"{ms:.0f}", number(next(iter(data.evaluation.estimates[run].values())).mean), round(100 * ms / most, 1))
        for run, ms in data.latency_ms.items()
        if run in data.evaluation.estimates
    ]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("relsearch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment


@cache
def _asset(name: str) -> str:
    return (files("relsearch.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
