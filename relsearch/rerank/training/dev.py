"""Looking at held-out queries during training: NDCG@10 of prior + residual over the dev documents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import ir_measures
import numpy as np
import polars as pl
from sentence_transformers import CrossEncoder
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.model import BaseModel

from relsearch.core.types import Pair, Scale
from relsearch.rerank.cross.torch_scorer import residuals
from relsearch.stats.logistic import Floats

METRIC = "dev_ndcg10"


@dataclass(frozen=True)
class DevSet:
    """Dev pairs in a fixed order, the best `depth` of each query by the prior, with prior logits and grades from 0."""

    pairs: Sequence[Pair]
    priors: Floats
    grades: Mapping[tuple[str, str], int]

    def ndcg10(self, residuals: Floats) -> float:
        """Return NDCG@10 of prior + residual, with all graded dev documents in the ideal ranking; NaN where one is."""
        if not np.isfinite(residuals).all():  # these would be ranked somehow
            return math.nan
        qrels = [ir_measures.Qrel(query_id, doc_id, grade) for (query_id, doc_id), grade in self.grades.items()]
        scores = (self.priors + residuals).tolist()
        run = [
            ir_measures.ScoredDoc(pair.query_id, pair.doc_id, score)
            for pair, score in zip(self.pairs, scores, strict=True)
        ]
        return float(ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10])

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """The pairs as the cross-encoder reads them."""
        return [(pair.query, pair.text) for pair in self.pairs]

    def relevant(self, scale: Scale) -> Floats:
        """Return 1 for each pair of at least the scale's cut-off, else 0."""
        cutoff = scale.relevant - scale.lowest
        return np.array([self.grades[pair.query_id, pair.doc_id] >= cutoff for pair in self.pairs], dtype=np.float64)


def dev_set(pairs: Sequence[Pair], priors: Floats, *, examples: pl.DataFrame, scale: Scale, depth: int) -> DevSet:
    """Keep the `depth` documents of each query that the prior puts first: those a reranker must order."""
    order = sorted(range(len(pairs)), key=lambda row: (pairs[row].query_id, -priors[row], pairs[row].doc_id))
    seen: dict[str, int] = {}
    kept = []
    for row in order:
        seen[pairs[row].query_id] = seen.get(pairs[row].query_id, 0) + 1
        if seen[pairs[row].query_id] <= depth:
            kept.append(row)
    rows = examples.select("query_id", "doc_id", "grade").iter_rows()
    grades = {(query_id, doc_id): grade - scale.lowest for query_id, doc_id, grade in rows}
    return DevSet([pairs[row] for row in kept], priors[kept], grades)


class DevEvaluator(BaseEvaluator):
    """Gives the trainer the dev NDCG@10 of the current weights."""

    def __init__(self, dev: DevSet) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # sentence-transformers leaves it unannotated
        self.dev = dev
        self.primary_metric = METRIC

    def __call__(
        self, model: BaseModel, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return the metric; called by the trainer."""
        return {METRIC: self.dev.ndcg10(residuals(cast(CrossEncoder, model), self.dev.inputs))}
