"""What every late-interaction scorer does alike: kept documents, and the two similarities."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relsearch.core.content_cache import ContentCache
from relsearch.core.errors import ArtifactError
from relsearch.core.files.text_files import encodable
from relsearch.encoders.character_limit import beginning
from relsearch.rerank.abilities import warn_of_store
from relsearch.rerank.calibrated import CalibratedScorer, Request
from relsearch.rerank.late.head import LateHead
from relsearch.rerank.vectors.interaction import DocumentVectors, TextVectors, compress, cosines, maxsims
from relsearch.rerank.vectors.store import VectorStore
from relsearch.stats.logistic import Floats, Logistic

_AWAY_S = 30.0  # of a store that failed: where it hangs, each look into it would cost a search its budget
_KEPT_QUERIES = 1000  # 20 kB each
_BYTES_A_DOCUMENT = 12_800  # of vectors of a passage of 100 tokens


class LateScorer(CalibratedScorer):
    """Scores = calibration(head(cosine, MaxSim)); subclasses run the encoder.

    Documents' vectors are taken from a bounded cache, else from `store`, where it has them, else computed; what was
    found either way is cached. A store that fails has none, and is left alone for half a minute.
    """

    def __init__(
        self,
        *,
        template: str,
        head: LateHead,
        calibration: Logistic,
        most_characters: int,
        store: VectorStore | None = None,
        cached_documents: int = 20_000,
    ) -> None:
        super().__init__(template=template, calibration=calibration)
        self.head = head
        self.most_characters = most_characters
        self.store = store
        self._away_until = 0.0
        self._queries: ContentCache[TextVectors] = ContentCache(_KEPT_QUERIES)
        self._kept: ContentCache[DocumentVectors] = ContentCache(
            cached_documents * _BYTES_A_DOCUMENT, size=lambda each: each.nbytes
        )

    def logits_many(self, requests: Sequence[Request]) -> list[Floats]:
        """Return the raw logits of each query's texts."""
        wanted = [(encodable(query), self.readable(texts)) for query, texts in requests]
        known = self._documents([text for _, texts in wanted for text in texts])
        queries = self._queries.lookup([query for query, texts in wanted if texts], self.encode_queries)
        read = iter(queries)
        return [
            self.document_logits(next(read), [known[text] for text in texts]) if texts else np.zeros(0)
            for _, texts in wanted
        ]

    def mean_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean vector of each document, shape [n, h]."""
        wanted = self.readable(texts)
        known = self._documents(wanted)
        return np.stack([known[text].pooled for text in wanted]).astype(np.float32)

    def prepare(self, texts: Sequence[str]) -> None:
        """Read documents before they are asked for."""
        self._documents(self.readable(texts))

    def readable(self, texts: Sequence[str]) -> list[str]:
        """Return what is read of each document, by which its vectors are found: its first `most_characters`."""
        return [encodable(beginning(text, self.most_characters)) for text in texts]

    def holds(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each document whether its vectors are kept in memory."""
        return self._kept.contains(self.readable(texts))

    @property
    def stored(self) -> int | None:
        """How many documents the store has, None where there is no store."""
        return None if self.store is None else len(self.store)

    def read_query(self, query: str) -> None:
        """Read a query before its documents, and keep its vectors."""
        self._queries.lookup([encodable(query)], self.encode_queries)

    def fetch(self, texts: Sequence[str]) -> None:
        """Keep the vectors of those documents that the store has."""
        self.look_up(self.readable(texts))

    def read(self, texts: Sequence[str]) -> list[DocumentVectors]:
        """Return the vectors of documents, which are kept, without a look into the store."""
        return self._kept.lookup(self.readable(texts), self.document_vectors)

    def save(self, texts: Sequence[str]) -> int:
        """Write the vectors of documents that were read to the store, if there is one; return how many it lacked.

        None is written while the store is left alone.
        """
        if self.store is None or time.monotonic() < self._away_until:
            return 0
        return self.store.add(self.readable(texts), lambda each: self._kept.lookup(each, self.document_vectors))

    def document_vectors(self, texts: Sequence[str]) -> list[DocumentVectors]:
        """Return the vectors of documents as they are kept, computed anew."""
        return [compress(vectors) for vectors in self.encode_documents(list(texts))]

    @abstractmethod
    def encode_queries(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each query."""

    @abstractmethod
    def encode_documents(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each document."""

    def document_logits(self, query: TextVectors, documents: Sequence[DocumentVectors]) -> Floats:
        """Return the logit of each document."""
        return self.head.logits(cosines(query, documents), maxsims(query, documents))

    def look_up(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        """Return the vectors of those texts that are cached or stored."""
        distinct = list(dict.fromkeys(texts))
        kept = [text for text, held in zip(distinct, self._kept.contains(distinct), strict=True) if held]
        found = dict(zip(kept, self._kept.lookup(kept, self.document_vectors), strict=True))
        stored = self._stored([text for text in distinct if text not in found])
        self.cache(stored)
        return found | stored

    def cache(self, found: Mapping[str, DocumentVectors]) -> None:
        """Cache vectors that were computed elsewhere."""
        self._kept.keep(found)

    def _documents(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        distinct = list(dict.fromkeys(texts))
        return dict(zip(distinct, self._kept.lookup(distinct, self._fetched), strict=True))

    def _fetched(self, texts: list[str]) -> list[DocumentVectors]:
        """The vectors of texts that are not kept: those of the store, the others computed."""
        stored = self._stored(texts)
        unread = [text for text in texts if text not in stored]
        found = stored | dict(zip(unread, self.document_vectors(unread), strict=True))
        return [found[text] for text in texts]

    def _stored(self, texts: list[str]) -> dict[str, DocumentVectors]:
        if self.store is None or not texts or time.monotonic() < self._away_until:
            return {}
        try:
            return self.store.lookup(texts)
        except Exception as exc:  # away, deleted or damaged: all that it has can be read
            warn_of_store(type(exc).__name__)
            if not isinstance(exc, ArtifactError):  # of one damaged document
                self._away_until = time.monotonic() + _AWAY_S
            return {}
