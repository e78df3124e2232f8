"""Whether a judge is right as often as its confidence says: reliability bins and expected calibration errors.

The expected calibration error is the mean over bins, weighted by pairs, of the gap between predicted and observed
frequency (Naeini et al. 2015). Resampling adds noise to each bin, so its interval lies somewhat high. Intervals are
from a bootstrap over queries; every figure is a function of per-query sums in bins.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.display.text_table import number, table
from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError
from relsearch.core.types import Scale
from relsearch.measure.agreement import common_pairs
from relsearch.measure.charts import Point, reliability_chart
from relsearch.measure.plot import reliability_svg
from relsearch.stats.bootstrap import Figure, figures_json, figures_table, query_draws

if TYPE_CHECKING:
    import altair as alt

Floats = NDArray[np.float64]
_FIGURES = ("ece_relevant", "ece_confidence", "share_within_one_above_90")
_BINS = 10  # so the last one holds the confidences of at least 0.9


@dataclass(frozen=True, slots=True)
class Bin:
    """The pairs whose confidence lies in [low, high), and in [low, 1] for the last; shares are None without pairs."""

    low: float
    high: float
    pairs: int
    confidence: float | None
    exact: float | None
    within_one: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins of confidence, and the figures that sum them up.

    `ece_relevant` is of P(grade >= relevant), None where no pair is relevant or all are, `ece_confidence` of the
    confidence in the very grade. `share_within_one_above_90` is of the pairs with a confidence of at least 0.9,
    `pairs_above_90` of them.
    """

    pairs: int
    queries: int
    bins: tuple[Bin, ...]
    ece_relevant: Figure | None
    ece_confidence: Figure
    pairs_above_90: int
    share_within_one_above_90: Figure | None

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, with null for what is not defined."""
        return {
            "pairs": self.pairs,
            "queries": self.queries,
            "bins": [asdict(each) for each in self.bins],
            "pairs_above_90": self.pairs_above_90,
            **figures_json({name: getattr(self, name) for name in _FIGURES}),
        }

    def to_table(self) -> str:
        """Return the bins and the figures as text."""
        rows = [
            [f"{b.low:.1f} - {b.high:.1f}", str(b.pairs), number(b.confidence), number(b.exact), number(b.within_one)]
            for b in self.bins
        ]
        bins = table(["confidence", "pairs", "mean", "exactly right", "within one grade"], rows)
        named = {
            "ECE of P(relevant)": self.ece_relevant,
            "ECE of confidence": self.ece_confidence,
            f"within one, above 0.9 ({self.pairs_above_90} pairs)": self.share_within_one_above_90,
        }
        figures = figures_table(
            named, [f"{counted(self.pairs, 'pair')}, {counted(self.queries, 'query')}", "value", "95 % CI"]
        )
        return f"{bins}\n\n{figures}"

    def _repr_html_(self) -> str:
        """Return the reliability diagram, as a notebook shows it."""
        return self.to_svg()

    def to_svg(self) -> str:
        """Return the reliability diagram."""
        near = [(b.confidence or 0.0, b.within_one or 0.0, b.pairs) for b in self.bins if b.pairs]
        return reliability_svg(
            self._exact, near, title=f"{counted(self.pairs, 'judged pair')} of {counted(self.queries, 'query')}"
        )

    def to_chart(self) -> alt.LayerChart:
        """Return the reliability diagram as an Altair chart; raise MissingExtraError without it."""
        return reliability_chart(self._exact)

    @property
    def _exact(self) -> list[Point]:
        return [(b.confidence or 0.0, b.exact or 0.0, b.pairs) for b in self.bins if b.pairs]


def has_probabilities(judged: pl.DataFrame) -> bool:
    """Return whether any label of the table carries a grade distribution."""
    return judged["probabilities"].null_count() < judged.height


def reliability(human: pl.DataFrame, judged: pl.DataFrame, scale: Scale, *, resamples: int, seed: int) -> Reliability:
    """Compare the judge's probabilities with human grades; raise DataError where no common pair has any."""
    sure = judged.drop_nulls(["probabilities", "confidence"])
    if sure.is_empty():
        raise DataError(
            "the judged labels carry no probabilities; give a judgments table (.parquet) that a judge wrote"
        )
    both = common_pairs(human, sure, scale)
    probabilities = _distributions(both, scale)
    query_of, confidence = both["query"].to_numpy(), both["confidence"].to_numpy()
    gap = (both["judged"] - both["grade"]).abs().to_numpy()
    probability, relevant = probabilities[:, scale.level :].sum(axis=1), both["grade"].to_numpy() >= scale.relevant
    said = _sums(query_of, confidence, [confidence, gap == 0, gap <= 1])
    binary = _sums(query_of, probability, [probability, relevant])
    draws = query_draws(len(said), resamples=resamples, seed=seed).astype(np.float64)
    above = said[:, -1][:, [0, 3]]
    return Reliability(
        pairs=both.height,
        queries=len(said),
        bins=tuple(_bin(number, row) for number, row in enumerate(said.sum(axis=0))),
        ece_relevant=None if relevant.all() or not relevant.any() else _ece(binary, draws),
        ece_confidence=_ece(said, draws),
        pairs_above_90=int(above[:, 0].sum()),
        share_within_one_above_90=Figure.from_resamples_or_none(
            float(_ratio(above.sum(axis=0))), _ratio(draws @ above)
        ),
    )


def _distributions(both: pl.DataFrame, scale: Scale) -> Floats:
    lengths = both["probabilities"].list.len()
    if (lengths != len(scale.names)).any():
        raise DataError(
            f"probabilities of {lengths[0]} grades on scale {scale.lowest}-{scale.highest}; give another scale"
        )
    return np.asarray(both["probabilities"].to_list(), dtype=np.float64)


def _sums(query_of: NDArray[np.int64], placed: Floats, values: list[NDArray[Any]]) -> Floats:
    """Sum pairs and values by query and by the bin that `placed` falls into: [queries, bins, 1 + values]."""
    bins = np.clip((placed * _BINS + 1e-9).astype(np.int64), 0, _BINS - 1)
    counts = np.zeros((int(query_of.max()) + 1, _BINS, 1 + len(values)))
    rows = np.stack([np.ones(len(placed)), *(np.asarray(each, dtype=np.float64) for each in values)], axis=1)
    np.add.at(counts, (query_of, bins), rows)
    return counts


def _bin(number: int, sums: Floats) -> Bin:
    pairs, *totals = (float(value) for value in sums)
    confidence, exact, near = (total / pairs if pairs else None for total in totals)
    return Bin(number / _BINS, (number + 1) / _BINS, int(pairs), confidence, exact, near)


def _ece(sums: Floats, draws: Floats) -> Figure:
    return Figure.from_resamples(float(_error(sums.sum(axis=0))), _error(np.tensordot(draws, sums, axes=1)))


def _error(sums: Floats) -> Floats:
    """The expected calibration error of [..., bins, (pairs, said, true, …)]."""
    gaps = np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1)
    return np.asarray(gaps / sums[..., 0].sum(axis=-1), dtype=np.float64)


def _ratio(sums: Floats) -> Floats:
    """The share true of [..., (pairs, true)]; nan without pairs."""
    pairs = sums[..., 0]
    return np.asarray(np.where(pairs > 0, sums[..., 1] / np.maximum(pairs, 1), np.nan), dtype=np.float64)
