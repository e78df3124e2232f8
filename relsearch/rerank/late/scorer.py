"""What every late-interaction scorer does alike: kept documents, two similarities, a calibrated probability."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from relsearch.rerank.cache import ContentCache
from relsearch.rerank.late.head import LateHead
from relsearch.rerank.late.interaction import DocumentVectors, TextVectors, compress, cosines, maxsims
from relsearch.rerank.late.store import VectorStore
from relsearch.rerank.logistic import Floats, Logistic
from relsearch.rerank.scoring import Request, encodable
from relsearch.template import render

_KEPT_BYTES = 256_000_000  # of document vectors: about 20,000 passages of 100 tokens


class LateScorer(ABC):
    """Scores = calibration(head(cosine, MaxSim)); subclasses run the encoder.

    Documents' vectors are taken from `store`, where it has them, and from a bounded cache; else computed and cached.
    """

    def __init__(
        self, *, template: str, head: LateHead, calibration: Logistic, store: VectorStore | None = None
    ) -> None:
        self.template = template
        self.head = head
        self.calibration = calibration
        self.store = store
        self._kept: ContentCache[DocumentVectors] = ContentCache(_KEPT_BYTES, size=lambda each: each.nbytes)

    def render(self, fields: Mapping[str, str]) -> str:
        """Render a document as it was rendered in training."""
        return render(fields, self.template)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return calibrated P(relevant), one per text in input order, strictly inside (0, 1)."""
        return self.score_many([(query, texts)])[0]

    def score_many(self, requests: Sequence[Request]) -> list[list[float]]:
        """Return the scores of each query's texts."""
        return [self.calibration.probabilities(logits).tolist() for logits in self.logits_many(requests)]

    def logits(self, query: str, texts: Sequence[str]) -> Floats:
        """Return the raw logits, shape [n], float64."""
        return self.logits_many([(query, texts)])[0]

    def logits_many(self, requests: Sequence[Request]) -> list[Floats]:
        """Return the raw logits of each query's texts."""
        wanted = [(encodable(query), [encodable(text) for text in texts]) for query, texts in requests]
        known = self._documents([text for _, texts in wanted for text in texts])
        queries = self.encode_queries([query for query, texts in wanted if texts])
        read = iter(queries)
        return [self.meet(next(read), [known[text] for text in texts]) if texts else np.zeros(0) for _, texts in wanted]

    def prepare(self, texts: Sequence[str]) -> None:
        """Read documents before they are asked for."""
        self._documents([encodable(text) for text in texts])

    def document_vectors(self, texts: Sequence[str]) -> list[DocumentVectors]:
        """Return the vectors of documents as they are kept, computed anew."""
        return [compress(vectors) for vectors in self.encode_documents(list(texts))]

    @staticmethod
    def clean(text: str) -> str:
        """Return a text as it is read and looked up: lone surrogates as question marks."""
        return encodable(text)

    @abstractmethod
    def encode_queries(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each query."""

    @abstractmethod
    def encode_documents(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each document."""

    def meet(self, query: TextVectors, documents: Sequence[DocumentVectors]) -> Floats:
        """Return the logit of each document."""
        return self.head.logits(cosines(query, documents), maxsims(query, documents))

    def known(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        """Return the vectors of those texts that are stored or kept."""
        stored = self.store.lookup(texts) if self.store else {}
        rest = [text for text in dict.fromkeys(texts) if text not in stored]
        kept = [text for text, held in zip(rest, self._kept.holds(rest), strict=True) if held]
        return stored | dict(zip(kept, self._kept.lookup(kept, self.document_vectors), strict=True))

    def keep(self, found: Mapping[str, DocumentVectors]) -> None:
        """Keep vectors that were computed elsewhere."""
        self._kept.lookup(list(found), lambda texts: [found[text] for text in texts])

    def _documents(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        distinct = list(dict.fromkeys(texts))
        stored = self.store.lookup(distinct) if self.store else {}
        rest = [text for text in distinct if text not in stored]
        return stored | dict(zip(rest, self._kept.lookup(rest, self.document_vectors), strict=True))
