"""What every reranker does alike, whatever its family: from raw logits to calibrated probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from relsearch.core.fields.template import render
from relsearch.stats.logistic import Floats, Logistic

Request = tuple[str, Sequence[str]]


class CalibratedScorer(ABC):
    """Scores = calibration(logits); subclasses say how logits come about."""

    def __init__(self, *, template: str, calibration: Logistic) -> None:
        self.template = template
        self.calibration = calibration

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
        """Return the raw logits, shape [n], float64; equal texts are read once."""
        return self.logits_many([(query, texts)])[0]

    @abstractmethod
    def logits_many(self, requests: Sequence[Request]) -> list[Floats]:
        """Return the raw logits of each query's texts."""
