"""The reranker in production: a bundle run by onnxruntime and tokenizers, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relsearch.encoder import MAX_CHARACTERS_PER_TOKEN
from relsearch.rerank.bundle import ENCODER, MODEL, TOKENIZER, Bundle, open_bundle
from relsearch.rerank.engine import Engine
from relsearch.rerank.logistic import Floats
from relsearch.rerank.scoring import ResidualScorer
from relsearch.rerank.vectors import Vectors

# One text a call makes int8 scores independent of their batch: dynamic quantisation takes its
# range from all that is in a call.
_BATCH_TOKENS = {"fp32": 512, "int8": 1}


class OnnxScorer(ResidualScorer):
    """A bundle's cross-encoder and encoder, each on one session shared by `workers` threads."""

    def __init__(self, bundle: Bundle, *, workers: int | None = None) -> None:
        manifest = bundle.manifest
        super().__init__(template=manifest.template, prior=manifest.prior, calibration=manifest.calibration)
        self.manifest = manifest
        budget = _BATCH_TOKENS[manifest.variant]
        self._model = Engine(
            bundle.folder / MODEL,
            bundle.folder / TOKENIZER,
            output="logits",
            max_length=manifest.max_length,
            batch_tokens=budget,
            workers=workers,
        )
        self._encoder = Engine(
            bundle.folder / ENCODER,
            bundle.encoder_tokenizer,
            output="sentence_embedding",
            max_length=manifest.encoder_max_length,
            batch_tokens=budget,
            workers=workers,
        )

    @classmethod
    def open(cls, folder: Path, *, workers: int | None = None) -> OnnxScorer:
        """Open a bundle folder; raise ArtifactError if it is not whole."""
        return cls(open_bundle(folder), workers=workers)

    def _encode_query(self, query: str) -> Vectors:
        return np.asarray(self._encode(self.manifest.query_prefix, [query])[0], dtype=np.float32)

    def _encode_documents(self, texts: list[str]) -> Vectors:
        return self._encode(self.manifest.document_prefix, texts)

    def _encode(self, prefix: str, texts: list[str]) -> Vectors:
        characters = MAX_CHARACTERS_PER_TOKEN * self.manifest.encoder_max_length
        vectors = self._encoder.run([prefix + text[:characters] for text in texts])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def _residuals(self, query: str, texts: list[str]) -> Floats:
        return self._model.run([(query, text) for text in texts]).reshape(-1).astype(np.float64)
