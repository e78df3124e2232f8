"""The late-interaction reranker in production: one graph run by onnxruntime, documents kept or precomputed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ArtifactError
from relsearch.core.files.text_files import encodable
from relsearch.core.types import StrPath
from relsearch.encoders.joining import Row
from relsearch.rerank.bundle import MODEL, TOKENIZER, Bundle, LateManifest, open_bundle_of
from relsearch.rerank.deadline import Reranked, rerank_within
from relsearch.rerank.late.reading import Reading
from relsearch.rerank.late.scorer import LateScorer
from relsearch.rerank.reading_order import STEP, ReadingOrder
from relsearch.rerank.reading_order import warm_up as warm_up_order
from relsearch.rerank.vectors.interaction import DocumentVectors, TextVectors, compress
from relsearch.rerank.vectors.store import OpenStore, StoreFacts, VectorStore
from relsearch.runtime.engine import Engine
from relsearch.runtime.tokenising import TextTokenizer

POOLED, TOKENS = "sentence_embedding", "token_embeddings"


class LateOnnxScorer(LateScorer):
    """A bundle's encoder on one session shared by `workers` threads; `vectors` opens the precomputed documents."""

    def __init__(
        self,
        bundle: Bundle[LateManifest],
        *,
        workers: int | None = None,
        vectors: OpenStore | None = None,
        cached_documents: int = 20_000,
    ) -> None:
        manifest = bundle.manifest
        self.facts = StoreFacts(encoder=manifest.files[MODEL], pooled=manifest.pooled, tokens=manifest.dimension)
        store = vectors(self.facts) if vectors else None
        super().__init__(
            template=manifest.template,
            head=manifest.head,
            calibration=manifest.calibration,
            most_characters=manifest.documents.most_characters,
            store=store,
            cached_documents=cached_documents,
        )
        self.manifest = manifest
        self._texts = {
            reading: TextTokenizer(bundle.folder / TOKENIZER, max_length=reading.max_length)
            for reading in (manifest.queries, manifest.documents)
        }
        self._engine = Engine(
            bundle.folder / MODEL,
            outputs=(POOLED, TOKENS),
            variant=manifest.variant,
            runtime=manifest.runtime,
            workers=workers,
        )

    @classmethod
    def open(cls, folder: StrPath, *, workers: int | None = None, vectors: OpenStore | None = None) -> LateOnnxScorer:
        """Open a bundle folder; raise ArtifactError if it is not whole, or the vectors are another bundle's."""
        return cls(open_bundle_of(folder, LateManifest), workers=workers, vectors=vectors)

    def open_store(self) -> VectorStore:
        """Return the store of precomputed documents; raise ArtifactError where the scorer was opened without one."""
        if self.store is None:
            raise ArtifactError("the bundle was opened without a store of precomputed documents; name one")
        return self.store

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them."""
        reading = self.manifest.documents
        whole = [encodable(text) for text in texts if not reading.is_cut(text)]
        return len(texts) - len(whole) + self._texts[reading].truncated([reading.text(text) for text in whole])

    def close(self) -> None:
        """End the threads; the scorer reads no more."""
        self._engine.close()

    def warm_up(self) -> None:
        """Read one text, which measures the cost of a token; done at start-up it keeps the first call in budget."""
        self.encode_documents(["how fast is this machine " * 16])
        warm_up_order()

    def rerank(self, query: str, texts: Sequence[str], *, budget_ms: float = 50) -> Reranked:
        """Return the order of the texts that is found within about `budget_ms`; texts come in the search's order."""
        if not self._engine.seconds_per_token:
            self.warm_up()
        return rerank_within(self, encodable(query), self.readable(texts), budget_ms=budget_ms)

    def priors_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """Return no preference: what is not read by the deadline keeps the order of the search."""
        return dict.fromkeys(range(len(texts)), 0.0)

    def residuals_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """Return the logit of each place whose document is kept, stored or read by the deadline."""
        (read_query,) = self.encode_queries([query])
        known = self.look_up(texts)
        order = ReadingOrder(texts)
        logits: dict[int, float] = {}
        places = [place for place, text in enumerate(texts) if text in known]
        while True:
            found = self.document_logits(read_query, [known[texts[place]] for place in places]) if places else ()
            logits |= zip(places, map(float, found), strict=True)
            if time.perf_counter() >= deadline:
                return logits
            asked = order.best_first(logits)[: max(STEP, self._engine.workers)]
            known |= self._read_until([texts[place] for place in asked], deadline)
            places = [place for place in asked if texts[place] in known]
            if not places:
                return logits

    def _read_until(self, texts: Sequence[str], deadline: float) -> dict[str, DocumentVectors]:
        """Read and keep those of the texts, first come first, that are read by the deadline."""
        reading = self.manifest.documents
        rows = self._texts[reading].rows([reading.text(text) for text in texts])
        read = self._engine.run_until(rows, deadline) if rows else {}
        found = {texts[turn]: compress(self._vectors(rows[turn], each, reading)) for turn, each in read.items()}
        self.cache(found)
        return found

    def encode_queries(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each query."""
        return self._read(texts, self.manifest.queries)

    def encode_documents(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each document."""
        return self._read(texts, self.manifest.documents)

    def _read(self, texts: list[str], reading: Reading) -> list[TextVectors]:
        rows = self._texts[reading].rows([reading.text(text) for text in texts])
        outputs = self._engine.run_each(rows)
        return [self._vectors(row, each, reading) for row, each in zip(rows, outputs, strict=True)]

    def _vectors(self, row: Row, outputs: Sequence[NDArray[np.float32]], reading: Reading) -> TextVectors:
        pooled, tokens = outputs
        return TextVectors(pooled, tokens[reading.words(len(row.ids))])
