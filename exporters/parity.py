"""How far an exported reranker is from the one it was made of, and the gate that this is held to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Protocol

import ir_measures
import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.config import ExportConfig
from relsearch.errors import DataError, GateError
from relsearch.types import Pair


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
    the mean number of documents in both top tens, of 10; `ms` are per 100 documents, cold.
    """

    queries: int
    pairs: int
    max_difference: float
    mean_difference: float
    top10_overlap: float
    ndcg10_reference: float
    ndcg10_candidate: float
    ms_reference: float
    ms_candidate: float

    @property
    def ndcg_loss(self) -> float:
        """Relative loss of NDCG@10; negative where the candidate is better."""
        return 1 - self.ndcg10_candidate / self.ndcg10_reference if self.ndcg10_reference else 0.0

    def figures(self) -> dict[str, float]:
        """All fields and the loss, rounded for reports."""
        return {name: round(value, 6) for name, value in {**asdict(self), "ndcg_loss": self.ndcg_loss}.items()}


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
    """Score every list with both, in turn, and compare; `qrels` has query_id, doc_id and grade from 0."""
    if not lists:
        raise DataError("parity: no lists to compare on; label some dev queries")
    (first, first_s), (second, second_s) = _timed((reference, candidate), lists)
    flat = np.concatenate(first)
    differences = np.abs(np.concatenate(second) - flat) / (float(flat.std()) or 1.0)
    return ParityReport(
        queries=len(lists),
        pairs=len(flat),
        max_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        top10_overlap=float(np.mean([_overlap(*both) for both in zip(lists, first, second, strict=True)])),
        ndcg10_reference=_ndcg10(lists, first, qrels),
        ndcg10_candidate=_ndcg10(lists, second, qrels),
        ms_reference=first_s * 1e5 / len(flat),
        ms_candidate=second_s * 1e5 / len(flat),
    )


def gate(report: ParityReport, config: ExportConfig) -> None:
    """Raise GateError saying what to do where the candidate loses more than the config allows."""
    if report.ndcg_loss > config.max_ndcg_loss:
        raise GateError(
            f"NDCG@10 falls from {report.ndcg10_reference:.4f} to {report.ndcg10_candidate:.4f} "
            f"({report.ndcg_loss:.2%}; allowed {config.max_ndcg_loss:.2%}); ship fp32 or raise [export] max_ndcg_loss"
        )
    if report.top10_overlap < config.min_top10_overlap:
        raise GateError(
            f"top tens share {report.top10_overlap:.2f} documents (needed {config.min_top10_overlap:.2f}); "
            "ship fp32 or lower [export] min_top10_overlap"
        )


def gate_exact(report: ParityReport, *, tolerance: float = 1e-3) -> None:
    """Raise GateError where an fp32 export is not the model it was made of."""
    if report.max_difference > tolerance:
        raise GateError(
            f"the fp32 graph differs from torch by {report.max_difference:.2g} standard deviations "
            f"(allowed {tolerance:.0e}); export with the pinned versions: pip install 'relsearch[export]'"
        )


def gate_faster(report: ParityReport, *, margin: float = 1.1) -> None:
    """Raise GateError where the candidate is not `margin` times as fast as the reference on this machine."""
    if report.ms_candidate * margin > report.ms_reference:
        raise GateError(
            f"{report.ms_candidate:.0f} ms per 100 documents against {report.ms_reference:.0f} ms: not faster on this "
            f"machine by {margin - 1:.0%}; ship fp32, or export where the bundle will run"
        )


def _timed(scorers: Sequence[LogitScorer], lists: Sequence[RankList]) -> list[tuple[list[NDArray[np.float64]], float]]:
    """The logits and the seconds of each scorer, list by list in turn: a slow minute hits all alike."""
    scores: list[list[NDArray[np.float64]]] = [[] for _ in scorers]
    seconds = [0.0 for _ in scorers]
    for scorer in scorers:
        scorer.logits("warm up", ["the first call allocates"])
    for part in lists:
        for place, scorer in enumerate(scorers):
            started = time.perf_counter()
            scores[place].append(scorer.logits(part.query, part.texts))
            seconds[place] += time.perf_counter() - started
    return list(zip(scores, seconds, strict=True))


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
