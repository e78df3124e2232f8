"""relsearch in PyTerrier: a transformer that reranks, as in `bm25 % 100 >> pt.text.get_text(index) >> reranker`."""

from __future__ import annotations

import pandas as pd
import pyterrier as pt

from relsearch.rerank.reranker import Reranker


class RelsearchReranker(pt.Transformer):
    """Orders each query's documents by P(relevant), which becomes their score; keeps all columns.

    Frames have `qid`, `query`, `docno` and the fields of the reranker's template, such as `text`. A `score` column is
    the first stage's, and counts by the weight that the bundle asks for.
    """

    def __init__(self, reranker: Reranker) -> None:
        self.reranker = reranker

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with new scores and ranks, best first in each query."""
        pt.validate.columns(inp, includes=["qid", "query", "docno"])
        parts = [self._ranked(part) for _, part in inp.groupby("qid", sort=False)]
        return pt.model.add_ranks(pd.concat(parts, ignore_index=True) if parts else inp.assign(score=[]))

    def _ranked(self, part: pd.DataFrame) -> pd.DataFrame:
        first_stage = part["score"].tolist() if "score" in part else None
        found = self.reranker.rank(part["query"].iloc[0], part.to_dict("records"), first_stage=first_stage)
        return part.iloc[[hit.index for hit in found]].assign(score=[hit.score for hit in found])
