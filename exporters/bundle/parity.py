"""How far an exported reranker is from the one it was made of, and the gate that this is held to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Protocol

import ir_measures
import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.display.progress import progress
from relsearch.core.errors import DataError, GateError
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import Pair
from relsearch.stats.deviation import standard_deviation


class LogitScorer(Protocol):
    """A scorer that gives raw logits too."""

    def logits(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one raw logit a text."""
        ...


@dataclass(frozen=True, slots=True)
class RankList:
    """The documents of one query, in a fixed order."""

    query_id: str
    query: str
    doc_ids: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Candidate against reference on the same lists.

    Differences of logits are in units of the reference logits' standard deviation; `top10_overlap` is
    the mean number of documents in both top tens, of 10. A candidate that gives NaN differs by NaN.
    """

    queries: int
    pairs: int
    max_difference: float
    mean_difference: float
    top10_overlap: float
    ndcg10_reference: float
    ndcg10_candidate: float

    @property
    def ndcg_loss(self) -> float:
        """Relative loss of NDCG@10; negative where the candidate is better."""
        return 1 - self.ndcg10_candidate / self.ndcg10_reference if self.ndcg10_reference else 0.0

    def figures(self) -> dict[str, float | None]:
        """All fields and the loss, rounded for reports; None for what is no number."""
        found = {**asdict(self), "ndcg_loss": self.ndcg_loss}
        return {name: round(value, 6) if math.isfinite(value) else None for name, value in found.items()}


def rank_lists(pairs: Iterable[Pair], *, depth: int) -> list[RankList]:
    """Group pairs by query, each cut to `depth` documents in doc_id order."""
    ordered = sorted(pairs, key=lambda pair: (pair.query_id, pair.doc_id))
    lists = []
    for query_id, group in groupby(ordered, key=lambda pair: pair.query_id):
        kept = list(group)[:depth]
        doc_ids, texts = tuple(pair.doc_id for pair in kept), tuple(pair.text for pair in kept)
        lists.append(RankList(query_id, kept[0].query, doc_ids, texts))
    return lists


def parity(
    reference: LogitScorer, candidate: LogitScorer, lists: Sequence[RankList], qrels: pl.DataFrame
) -> ParityReport:
    """Score every list with both, and compare; `qrels` has query_id, doc_id and grade from 0.

    Raise DataError where there are no lists, GateError where the reference itself gives NaN.
    """
    if not lists:
        raise DataError("parity: no lists to compare on; label some dev queries")
    first, second = (
        [
            scorer.logits(part.query, part.texts)
            for part in progress(lists, desc=f"score as {which}", unit="query", total=len(lists))
        ]
        for which, scorer in (("before", reference), ("exported", candidate))
    )
    flat, other = np.concatenate(first), np.concatenate(second)
    if not np.isfinite(flat).all():
        raise GateError(
            "the model gives logits that are NaN or infinite; its weights are damaged, train or fetch it again"
        )
    differences = np.abs(other - flat) / (float(standard_deviation(flat)) or 1.0)
    comparable = bool(np.isfinite(other).all())
    return ParityReport(
        queries=len(lists),
        pairs=len(flat),
        max_difference=float(differences.max()) if comparable else math.nan,
        mean_difference=float(differences.mean()) if comparable else math.nan,
        top10_overlap=float(np.mean([_overlap(*both) for both in zip(lists, first, second, strict=True)])),
        ndcg10_reference=_ndcg10(lists, first, qrels),
        ndcg10_candidate=_ndcg10(lists, second, qrels) if comparable else math.nan,
    )


def gate_finite(report: ParityReport) -> None:
    """Raise GateError where the candidate gave NaN or an infinite logit."""
    if not math.isfinite(report.max_difference):
        raise GateError("it gives logits that are NaN or infinite; ship fp32")


def gate(report: ParityReport, config: ExportConfig) -> None:
    """Raise GateError saying what to do where the candidate loses more than the config allows."""
    # Written so that NaN, for which every comparison is false, fails.
    if not report.ndcg_loss <= config.max_ndcg_loss:
        raise GateError(
            f"NDCG@10 falls from {report.ndcg10_reference:.4f} to {report.ndcg10_candidate:.4f} "
            f"({report.ndcg_loss:.2%}; allowed {config.max_ndcg_loss:.2%}); ship fp32 or raise [export] max_ndcg_loss"
        )
    if not report.top10_overlap >= config.min_top10_overlap:
        raise GateError(
            f"top tens share {report.top10_overlap:.2f} documents (needed {config.min_top10_overlap:.2f}); "
            "ship fp32 or lower [export] min_top10_overlap"
        )


def gate_exact(report: ParityReport, *, tolerance: float = 1e-3) -> None:
    """Raise GateError where an fp32 export is not the model it was made of."""
    if not report.max_difference <= tolerance:
        off = f"differs from torch by {report.max_difference:.2g} standard deviations (allowed {tolerance:.0e})"
        raise GateError(
            f"the fp32 graph {off if math.isfinite(report.max_difference) else 'gives NaN where torch gives numbers'}; "
            "export with the pinned versions: pip install 'relsearch[export]', or another model"
        )


def _overlap(part: RankList, first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Documents in both top tens, scaled to ten where a list is shorter."""
    tops = [{part.doc_ids[place] for place in np.argsort(-scores, kind="stable")[:10]} for scores in (first, second)]
    return 10 * len(tops[0] & tops[1]) / len(tops[0])


def _ndcg10(lists: Sequence[RankList], scores: Sequence[NDArray[np.float64]], qrels: pl.DataFrame) -> float:
    judged = {part.query_id: set(part.doc_ids) for part in lists}
    rows = qrels.select("query_id", "doc_id", "grade").iter_rows()
    grades = [ir_measures.Qrel(q, d, int(grade)) for q, d, grade in rows if d in judged.get(q, ())]
    run = [
        ir_measures.ScoredDoc(part.query_id, doc_id, float(score))
        for part, row in zip(lists, scores, strict=True)
        for doc_id, score in zip(part.doc_ids, row, strict=True)
    ]
    return float(ir_measures.calc_aggregate([ir_measures.nDCG @ 10], grades, run)[ir_measures.nDCG @ 10])
