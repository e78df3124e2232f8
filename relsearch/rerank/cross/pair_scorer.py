"""What every cross-encoder does alike: prior + residual on distinct pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from relsearch.core.files.text_files import encodable
from relsearch.rerank.calibrated import CalibratedScorer, Request
from relsearch.rerank.cross.document_vectors import VectorCache, Vectors
from relsearch.rerank.cross.prior import Prior
from relsearch.stats.logistic import Floats, Logistic

Pairs = list[tuple[str, str]]


class ResidualScorer(CalibratedScorer):
    """Scores = calibration(prior(cosine) + h(query, document)); subclasses run the two models.

    A cross-encoder that was not trained on a prior has none: its scores are calibration(h(query, document)).
    """

    def __init__(self, *, template: str, prior: Prior | None, calibration: Logistic) -> None:
        super().__init__(template=template, calibration=calibration)
        self.prior = prior
        self.vectors = VectorCache()

    def logits_many(self, requests: Sequence[Request]) -> list[Floats]:
        """Return the raw logits of each query's texts; equal pairs are scored once."""
        cleaned = [[(encodable(query), encodable(text)) for text in texts] for query, texts in requests]
        rows = {pair: row for row, pair in enumerate(dict.fromkeys(pair for pairs in cleaned for pair in pairs))}
        logits = self._logits(list(rows)) if rows else np.zeros(0, dtype=np.float64)
        return [logits[[rows[pair] for pair in pairs]] for pairs in cleaned]

    def prior_logits(self, pairs: Pairs) -> Floats:
        """Return the logit that the cosine alone gives each pair; zeros where there is no prior."""
        if self.prior is None or not pairs:
            return np.zeros(len(pairs), dtype=np.float64)
        documents = self.vectors.stacked([text for _, text in pairs], self._encode_documents)
        distinct = list(dict.fromkeys(query for query, _ in pairs))
        places = {query: row for row, query in enumerate(distinct)}
        queries = self._encode_queries(distinct)[[places[query] for query, _ in pairs]]
        return self.prior.logits(np.einsum("nd,nd->n", documents.astype(np.float64), queries.astype(np.float64)))

    def _logits(self, pairs: Pairs) -> Floats:
        logits: Floats = self.prior_logits(pairs) + self._residuals(pairs)
        return logits

    @abstractmethod
    def _encode_queries(self, texts: list[str]) -> Vectors: ...

    @abstractmethod
    def _encode_documents(self, texts: list[str]) -> Vectors: ...

    @abstractmethod
    def _residuals(self, pairs: Pairs) -> Floats: ...
