"""Evaluations and reliability as Altair charts, to be shown, changed and saved in a notebook (extra `charts`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from relsearch.core.errors import MissingExtraError
from relsearch.measure.estimate import Estimate
from relsearch.stats.bootstrap import or_none

if TYPE_CHECKING:
    import altair as alt

Point = tuple[float, float, int]  # mean confidence, share exactly right, pairs


def estimates_chart(estimates: Mapping[str, Mapping[str, Estimate]]) -> alt.FacetChart:
    """Return each run's mean with its 95 % interval, a row of the chart a measure; raise MissingExtraError."""
    vega = _altair()
    rows = [
        {
            "run": run,
            "measure": measure,
            "mean": or_none(each.mean),
            "low": or_none(each.low),
            "high": or_none(each.high),
        }
        for run, measures in estimates.items()
        for measure, each in measures.items()
    ]
    base = vega.Chart().encode(
        y=vega.Y("run:N", sort=list(estimates), title=None), color=vega.Color("run:N", legend=None)
    )
    middle = vega.X("mean:Q", title="mean with its 95 % interval", scale=vega.Scale(zero=False))
    layers = vega.layer(
        base.mark_rule().encode(x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=80).encode(x=middle, tooltip=["run:N", "mean:Q", "low:Q", "high:Q"]),
        data=vega.Data(values=rows),
    )
    chart: alt.FacetChart = layers.facet(row=vega.Row("measure:N", title=None)).resolve_scale(x="independent")
    return chart


def reliability_chart(points: Sequence[Point]) -> alt.LayerChart:
    """Return how often a judge is exactly right by how sure it was, beside the diagonal; raise MissingExtraError."""
    vega = _altair()
    rows = [{"confidence": sure, "exactly right": right, "pairs": pairs} for sure, right, pairs in points]
    axis = vega.Scale(domain=[0, 1])
    ends: list[dict[str, Any]] = [{"confidence": end, "exactly right": end} for end in (0, 1)]
    x, y = vega.X("confidence:Q", scale=axis), vega.Y("exactly right:Q", scale=axis)
    ideal = vega.Chart(vega.Data(values=ends)).mark_line(strokeDash=[4, 4], color="gray").encode(x=x, y=y)
    line = vega.Chart(vega.Data(values=rows)).mark_line().encode(x=x, y=y)
    shown = ["confidence:Q", "exactly right:Q", "pairs:Q"]
    dots = vega.Chart(vega.Data(values=rows)).mark_point(filled=True).encode(x=x, y=y, size="pairs:Q", tooltip=shown)
    chart: alt.LayerChart = vega.layer(ideal, line, dots)
    return chart


def _altair() -> Any:
    try:
        import altair as alt
    except ImportError as exc:
        raise MissingExtraError("a chart", "charts") from exc
    return alt
