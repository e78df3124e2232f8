"""What every late-interaction scorer does alike: kept documents, and the two similarities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from relsearch.rerank.cache import ContentCache
from relsearch.rerank.calibrated import CalibratedScorer, Request, encodable
from relsearch.rerank.late.head import LateHead
from relsearch.rerank.late.interaction import DocumentVectors, TextVectors, compress, cosines, maxsims
from relsearch.rerank.late.store import VectorStore
from relsearch.rerank.logistic import Floats, Logistic

_KEPT_BYTES = 256_000_000  # of document vectors: about 20,000 passages of 100 tokens


class LateScorer(CalibratedScorer):
    """Scores = calibration(head(cosine, MaxSim)); subclasses run the encoder.

    Documents' vectors are taken from `store`, where it has them, and from a bounded cache; else computed and cached.
    """

    def __init__(
        self, *, template: str, head: LateHead, calibration: Logistic, store: VectorStore | None = None
    ) -> None:
        super().__init__(template=template, calibration=calibration)
        self.head = head
        self.store = store
        self._kept: ContentCache[DocumentVectors] = ContentCache(_KEPT_BYTES, size=lambda each: each.nbytes)

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
