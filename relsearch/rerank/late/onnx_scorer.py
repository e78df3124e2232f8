"""The late-interaction reranker in production: one graph run by onnxruntime, documents kept or precomputed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relsearch.rerank.bundle import MODEL, TOKENIZER, Bundle, open_bundle
from relsearch.rerank.engine import Engine
from relsearch.rerank.late.bundle import LateManifest
from relsearch.rerank.late.interaction import TextVectors
from relsearch.rerank.late.reading import Reading
from relsearch.rerank.late.scorer import LateScorer
from relsearch.rerank.late.store import StoreFacts, VectorStore
from relsearch.rerank.onnx_scorer import BATCH_TOKENS
from relsearch.rerank.scoring import encodable
from relsearch.rerank.tokens import TextTokenizer

POOLED, TOKENS = "sentence_embedding", "token_embeddings"


class LateOnnxScorer(LateScorer):
    """A bundle's encoder on one session shared by `workers` threads; `vectors` is a folder of precomputed documents."""

    def __init__(self, bundle: Bundle[LateManifest], *, workers: int | None = None, vectors: Path | None = None) -> None:
        manifest = bundle.manifest
        facts = StoreFacts(encoder=manifest.files[MODEL], pooled=manifest.pooled, tokens=manifest.dimension)
        store = VectorStore(vectors, facts=facts) if vectors else None
        super().__init__(
            template=manifest.template, head=manifest.head, calibration=manifest.calibration, store=store
        )
        self.manifest = manifest
        self._texts = {
            reading: TextTokenizer(bundle.folder / TOKENIZER, max_length=reading.max_length)
            for reading in (manifest.queries, manifest.documents)
        }
        self._engine = Engine(
            bundle.folder / MODEL,
            outputs=(POOLED, TOKENS),
            batch_tokens=BATCH_TOKENS[manifest.variant],
            workers=workers,
        )

    @classmethod
    def open(cls, folder: Path, *, workers: int | None = None, vectors: Path | None = None) -> LateOnnxScorer:
        """Open a bundle folder; raise ArtifactError if it is not whole, or the vectors are another bundle's."""
        return cls(open_bundle(folder, LateManifest), workers=workers, vectors=vectors)

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them."""
        reading = self.manifest.documents
        return self._texts[reading].truncated([reading.prefix + encodable(text) for text in texts])

    def encode_queries(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each query."""
        return self._read(texts, self.manifest.queries)

    def encode_documents(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each document."""
        return self._read(texts, self.manifest.documents)

    def _read(self, texts: list[str], reading: Reading) -> list[TextVectors]:
        rows = self._texts[reading].rows([reading.text(text) for text in texts])
        outputs = self._engine.run_each(rows)
        return [
            TextVectors(pooled, tokens[reading.words(len(row.ids))])
            for row, (pooled, tokens) in zip(rows, outputs, strict=True)
        ]
