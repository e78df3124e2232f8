"""What a judge's errors go with: the length of the document, and the words it shares with the query.

Each figure is Spearman's correlation with the error, judged minus human (the expected grade where there is one), with
a bootstrap interval over queries. 0 is best, above 0 the judge is too kind to long, or overlapping, documents. A judge
that knows little errs against whatever goes with relevance, so compare it with what the human grades themselves give.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.errors import DataError
from relsearch.core.types import Scale
from relsearch.measure.agreement import common_pairs
from relsearch.stats.bootstrap import Figure, figures_json, figures_table, query_draws

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Bias:
    """Correlations of the judge's error, and of the human grades for comparison; None where one side is constant."""

    pairs: int
    queries: int
    length: Figure | None
    term_overlap: Figure | None
    human_length: Figure | None
    human_term_overlap: Figure | None

    def figures(self) -> dict[str, Figure | None]:
        """Return the figures by their name."""
        names = ("length", "term_overlap", "human_length", "human_term_overlap")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, with null for what is not defined."""
        return {"pairs": self.pairs, "queries": self.queries, **figures_json(self.figures())}

    def to_table(self) -> str:
        """Return the figures as text."""
        headers = [f"{self.pairs} pairs, {self.queries} queries", "Spearman", "95 % CI"]
        return figures_table(self.figures(), headers, "+.3f")


def bias(
    human: pl.DataFrame,
    judged: pl.DataFrame,
    texts: Mapping[str, str],
    queries: Mapping[str, str],
    scale: Scale,
    *,
    resamples: int,
    seed: int,
) -> Bias:
    """Correlate errors with documents' lengths and term overlap; raise DataError where a text is missing.

    `texts` are documents' texts by doc_id, `queries` queries' texts by query_id.
    """
    both = common_pairs(human, judged, scale)
    pairs = [
        (_text(queries, query_id, "query"), _text(texts, doc_id, "document"))
        for query_id, doc_id in both.select("query_id", "doc_id").iter_rows()
    ]
    lengths = np.array([len(_WORD.findall(text)) for _, text in pairs], dtype=np.float64)
    overlaps = np.array([term_overlap(query, text) for query, text in pairs])
    error = both.select(pl.coalesce("expected", "judged") - pl.col("grade")).to_series().to_numpy()
    query_of = both["query"].to_numpy()
    draws = query_draws(int(query_of.max()) + 1, resamples=resamples, seed=seed)
    grades = both["grade"].cast(pl.Float64).to_numpy()
    figures = (_correlation(one, other, query_of, draws) for one in (error, grades) for other in (lengths, overlaps))
    return Bias(both.height, draws.shape[1], *figures)


def term_overlap(query: str, text: str) -> float:
    r"""Return the share of the query's distinct terms (lower-cased \w+) that the text has; 0 for a query without."""
    terms = set(_WORD.findall(query.lower()))
    return len(terms.intersection(_WORD.findall(text.lower()))) / len(terms) if terms else 0.0


def weighted_spearman(one: Codes, other: Codes, weights: Floats) -> float:
    """Return Spearman's correlation where each pair counts as often as its weight; nan if a side is constant.

    `one` and `other` are values coded by their place in the sorted distinct values, from 0.
    """
    first, second = _mid_ranks(one, weights), _mid_ranks(other, weights)
    total = max(float(weights.sum()), 1.0)
    first, second = first - weights @ first / total, second - weights @ second / total
    spread = (weights @ first**2) * (weights @ second**2)
    return float(weights @ (first * second) / np.sqrt(spread)) if spread > 1e-9 else float("nan")


def _correlation(one: Floats, other: Floats, query_of: Codes, draws: Codes) -> Figure | None:
    # Rounded so that errors which differ by a float's last bits tie.
    first, second = (np.unique(np.round(each, 9), return_inverse=True)[1] for each in (one, other))
    value = weighted_spearman(first, second, np.ones(len(query_of)))
    return Figure.from_resamples_or_none(
        value, [weighted_spearman(first, second, draw[query_of] * 1.0) for draw in draws]
    )


def _mid_ranks(codes: Codes, weights: Floats) -> Floats:
    """The mean rank of each value's ties, counting weights."""
    counts = np.bincount(codes, weights=weights)
    return np.asarray((np.cumsum(counts) - counts / 2)[codes], dtype=np.float64)


def _text(texts: Mapping[str, str], key: str, what: str) -> str:
    if key not in texts:
        raise DataError(f"{what} {key!r} has labels but no text; give the texts of the labelled collection")
    return texts[key]
