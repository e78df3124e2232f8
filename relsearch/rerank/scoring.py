"""What every reranker does alike: prior + residual on distinct texts, then the calibrated probability."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from relsearch.rerank.logistic import Floats, Logistic
from relsearch.rerank.prior import Prior
from relsearch.rerank.vectors import VectorCache, Vectors
from relsearch.template import render


class ResidualScorer(ABC):
    """Scores = calibration(prior(cosine) + h(query, document)); subclasses run the two models."""

    def __init__(self, *, template: str, prior: Prior, calibration: Logistic) -> None:
        self.template = template
        self.prior = prior
        self.calibration = calibration
        self._cache = VectorCache()

    def render(self, fields: Mapping[str, str]) -> str:
        """Render a document as it was rendered in training."""
        return render(fields, self.template)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return calibrated P(relevant), one per text in input order, strictly inside (0, 1)."""
        scores: list[float] = self.calibration.probabilities(self.logits(query, texts)).tolist()
        return scores

    def logits(self, query: str, texts: Sequence[str]) -> Floats:
        """Return the raw logits, shape [n], float64; equal texts are scored once."""
        if not texts:
            return np.zeros(0, dtype=np.float64)
        query, cleaned = _encodable(query), [_encodable(text) for text in texts]
        rows = {text: row for row, text in enumerate(dict.fromkeys(cleaned))}
        distinct = list(rows)
        documents = self._cache.lookup(distinct, self._encode_documents)
        cosines = documents.astype(np.float64) @ self._encode_query(query).astype(np.float64)
        logits: Floats = self.prior.logits(cosines) + self._residuals(query, distinct)
        return logits[[rows[text] for text in cleaned]]

    @abstractmethod
    def _encode_query(self, query: str) -> Vectors: ...

    @abstractmethod
    def _encode_documents(self, texts: list[str]) -> Vectors: ...

    @abstractmethod
    def _residuals(self, query: str, texts: list[str]) -> Floats: ...


def _encodable(text: str) -> str:
    """The text with lone surrogates, which JSON can carry and no tokenizer takes, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
