"""The parity report and its gates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from relsearch.core.errors import DataError, GateError
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import Pair
from relsearch.exporters.bundle.parity import ParityReport, gate, gate_exact, gate_finite, parity, rank_lists


class NumberScorer:
    """The logit of a text is the number it holds, plus a shift for one of them."""

    def __init__(self, *, shifted: str = "", shift: float = 0.0) -> None:
        self.shifted = shifted
        self.shift = shift

    def logits(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """One number a text."""
        numbers = [float(text) if text.isdigit() else 0.0 for text in texts]
        return np.array([n + self.shift * (text == self.shifted) for n, text in zip(numbers, texts, strict=True)])


PAIRS = [Pair("q", f"d{number:02}", "query", str(number)) for number in range(20)]
QRELS = pl.DataFrame({"query_id": ["q", "q"], "doc_id": ["d19", "d05"], "grade": [3, 1]})
REPORT = ParityReport(2, 100, 0.0, 0.0, 10.0, 0.5, 0.5)


def test_a_scorer_equals_itself() -> None:
    """No difference, full overlap, no loss."""
    report = parity(NumberScorer(), NumberScorer(), rank_lists(PAIRS, depth=50), QRELS)
    assert (report.max_difference, report.top10_overlap, report.ndcg_loss) == (0.0, 10.0, 0.0)
    assert (report.queries, report.pairs) == (1, 20)


def test_a_moved_document_is_measured() -> None:
    """The difference is in standard deviations, the overlap and NDCG see the document that left the top."""
    report = parity(NumberScorer(), NumberScorer(shifted="19", shift=-19), rank_lists(PAIRS, depth=50), QRELS)
    assert report.max_difference == pytest.approx(19 / np.std(np.arange(20)))
    assert report.mean_difference == pytest.approx(report.max_difference / 20)
    assert report.top10_overlap == 9
    assert report.ndcg10_candidate < report.ndcg10_reference
    assert report.ndcg_loss == pytest.approx(1.0)


def test_lists_are_cut_in_doc_id_order() -> None:
    """Each query keeps its first documents; pairs need not come sorted."""
    (only,) = rank_lists(reversed(PAIRS), depth=3)
    assert only.doc_ids == ("d00", "d01", "d02")
    assert only.texts == ("0", "1", "2")


def test_nothing_to_compare_is_an_error() -> None:
    """Without lists there is no parity."""
    with pytest.raises(DataError, match="label some dev queries"):
        parity(NumberScorer(), NumberScorer(), [], QRELS)


def test_the_gate_passes_what_keeps_quality() -> None:
    """A loss within the limits passes, a gain too."""
    gate(replace(REPORT, ndcg10_candidate=0.4976), ExportConfig())
    gate(replace(REPORT, ndcg10_candidate=0.6), ExportConfig())


def test_the_gate_stops_a_loss_of_quality() -> None:
    """More than the allowed relative loss stops, saying what to do."""
    with pytest.raises(GateError, match=r"0\.5000 to 0\.4970 .*0\.60%.*max_ndcg_loss"):
        gate(replace(REPORT, ndcg10_candidate=0.497), ExportConfig())


def test_the_gate_stops_other_top_tens() -> None:
    """Too little overlap stops even at equal NDCG."""
    with pytest.raises(GateError, match=r"share 8\.90 documents"):
        gate(replace(REPORT, top10_overlap=8.9), ExportConfig())


def test_no_gate_lets_nan_pass() -> None:
    """Every comparison with NaN is false, so each gate asks for what it needs, not for what it refuses."""
    nan = math.nan
    with pytest.raises(GateError, match="gives NaN where torch gives numbers"):
        gate_exact(replace(REPORT, max_difference=nan))
    with pytest.raises(GateError, match="NaN or infinite"):
        gate_finite(replace(REPORT, max_difference=nan))
    for broken in (replace(REPORT, ndcg10_candidate=nan), replace(REPORT, top10_overlap=nan)):
        with pytest.raises(GateError):
            gate(broken, ExportConfig())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_seen(value: float) -> None:
    """Of the candidate they are in the report; a reference that gives them is refused at once."""
    lists, broken = rank_lists(PAIRS, depth=50), NumberScorer(shifted="19", shift=value)
    report = parity(NumberScorer(), broken, lists, QRELS)
    assert math.isnan(report.max_difference)
    assert report.figures()["ndcg_loss"] is None
    with pytest.raises(GateError, match="its weights are damaged"):
        parity(broken, NumberScorer(), lists, QRELS)


def test_an_inexact_fp32_is_stopped() -> None:
    """fp32 must be the model that was trained."""
    gate_exact(replace(REPORT, max_difference=1e-5))
    with pytest.raises(GateError, match="differs from torch"):
        gate_exact(replace(REPORT, max_difference=0.2))
