"""Biases of a judge: what its errors go with."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from benchmarks.judges.agreement.bias import Bias, bias, term_overlap, weighted_spearman
from relsearch.core.errors import DataError
from relsearch.core.tables import judgments_table
from relsearch.core.types import SCALES, Judgment

SCALE = SCALES["0-3"]
QUERIES = {f"q{number}": "why are there tides" for number in range(8)}
# Every second document has both words that matter; lengths are independent of that.
TEXTS = {f"d{row}": ("tides there " if row % 2 else "") + "sea " * (1 + row // 2 % 10) for row in range(160)}
GRADES = [row // 20 % 3 for row in range(160)]


def _labels(grades: list[int], *, expected: list[float] | None = None) -> pl.DataFrame:
    means: list[float | None] = list(expected) if expected else [None] * len(grades)
    return judgments_table(
        Judgment(f"q{row % 8}", f"d{row}", grade, "judge", "j", expected=mean)
        for row, (grade, mean) in enumerate(zip(grades, means, strict=True))
    )


def _bias(judged: pl.DataFrame) -> Bias:
    return bias(_labels(GRADES), judged, TEXTS, QUERIES, SCALE, resamples=200, seed=1)


def test_a_judge_that_likes_long_documents_is_caught() -> None:
    """Errors that grow with length correlate with it, and with nothing else."""
    lengths = [len(TEXTS[f"d{row}"].split()) - 2 * (row % 2) for row in range(160)]
    found = _bias(_labels(GRADES, expected=[g + n / 20 for g, n in zip(GRADES, lengths, strict=True)]))
    assert found.length is not None
    assert found.term_overlap is not None
    assert found.length.value > 0.8
    assert found.length.low > 0.5
    assert abs(found.term_overlap.value) < 0.05


def test_a_judge_that_counts_words_is_caught() -> None:
    """One grade more for documents with the query's words is a correlation of 1 with the overlap."""
    found = _bias(_labels([grade + row % 2 for row, grade in enumerate(GRADES)]))
    assert found.term_overlap is not None
    assert found.term_overlap.value == pytest.approx(1)


def test_a_judge_without_errors_has_no_bias_to_measure() -> None:
    """A constant error leaves both correlations undefined; those of the human grades are still there."""
    found = _bias(_labels(GRADES))
    assert found.length is None
    assert found.term_overlap is None
    assert found.human_length is not None
    assert max(map(len, found.to_table().splitlines())) <= 80
    assert found.to_table().splitlines()[2].split() == ["length", "-", "-"]
    assert {name for name, figure in found.to_json().items() if figure is None} == {"length", "term_overlap"}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=3, max_size=30))
def test_weights_count_as_copies(points: list[tuple[int, int, int]]) -> None:
    """A pair of weight n counts as n pairs of scipy's Spearman."""
    one, other, weights = np.array(points).T
    copies = np.repeat(np.stack([one, other]), weights, axis=1)
    found = weighted_spearman(one, other, weights.astype(np.float64))
    if copies.shape[1] < 2 or np.ptp(copies[0]) == 0 or np.ptp(copies[1]) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(*copies).statistic, abs=1e-9)


@pytest.mark.parametrize(
    ("query", "text", "share"),
    [("Green TEA tea", "tea leaves", 0.5), ("tea", "teapot", 0.0), ("?!", "tea", 0.0), ("thé vert", "Thé-vert.", 1.0)],
)
def test_term_overlap_counts_distinct_words(query: str, text: str, share: float) -> None:
    """Case and repetition do not matter, parts of words do not count."""
    assert term_overlap(query, text) == share


def test_a_label_without_text_is_named() -> None:
    """A document that the collection lacks is an error, not a length of 0."""
    labels = _labels(GRADES)
    with pytest.raises(DataError, match="document 'd0' has labels but no text"):
        bias(labels, labels, {}, QUERIES, SCALE, resamples=100, seed=1)
