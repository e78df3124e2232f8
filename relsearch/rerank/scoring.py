"""What every reranker does alike: prior + residual on distinct texts, then the calibrated probability."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from relsearch.rerank.logistic import Floats, Logistic
from relsearch.rerank.prior import Prior
from relsearch.rerank.vectors import VectorCache, Vectors
from relsearch.template import render

Request = tuple[str, Sequence[str]]
Pairs = list[tuple[str, str]]


class ResidualScorer(ABC):
    """Scores = calibration(prior(cosine) + h(query, document)); subclasses run the two models.

    A cross-encoder that was not trained on a prior has none: its scores are calibration(h(query, document)).
    """

    def __init__(self, *, template: str, prior: Prior | None, calibration: Logistic) -> None:
        self.template = template
        self.prior = prior
        self.calibration = calibration
        self.vectors = VectorCache()

    def render(self, fields: Mapping[str, str]) -> str:
        """Render a document as it was rendered in training."""
        return render(fields, self.template)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return calibrated P(relevant), one per text in input order, strictly inside (0, 1)."""
        return self.score_many([(query, texts)])[0]

    def score_many(self, requests: Sequence[Request]) -> list[list[float]]:
        """Return the scores of each query's texts; one run over all keeps every worker busy to the end."""
        return [self.calibration.probabilities(logits).tolist() for logits in self.logits_many(requests)]

    def logits(self, query: str, texts: Sequence[str]) -> Floats:
        """Return the raw logits, shape [n], float64; equal texts are scored once."""
        return self.logits_many([(query, texts)])[0]

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


def encodable(text: str) -> str:
    """Return the text with lone surrogates, which JSON can carry and no tokenizer takes, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
