"""The reranker in torch: what training evaluates, and what exports are held against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from relsearch.encoder import load_encoder
from relsearch.rerank.card import Card, read_card
from relsearch.rerank.logistic import Floats
from relsearch.rerank.scoring import Pairs, ResidualScorer
from relsearch.rerank.vectors import Vectors

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from relsearch.encoder import Encoder


class TorchScorer(ResidualScorer):
    """A model folder that `train` wrote, run by sentence-transformers."""

    def __init__(self, model: CrossEncoder, encoder: Encoder, *, card: Card) -> None:
        super().__init__(template=card.template, prior=card.prior, calibration=card.calibration)
        self._model = model
        self._encoder = encoder
        self._max_length = card.max_length

    @classmethod
    def open(cls, folder: Path) -> TorchScorer:
        """Load a model folder; raise ArtifactError if it has no valid reranker.json."""
        card = read_card(folder, Card)
        model = load_model(folder, max_length=card.max_length)
        return cls(model, load_encoder(card.encoder, exact=True), card=card)

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them beside the query."""
        if not texts:
            return 0
        rows = self._model.tokenizer([query] * len(texts), list(texts), verbose=False)["input_ids"]
        return sum(len(row) > self._max_length for row in rows)

    def _encode_queries(self, texts: list[str]) -> Vectors:
        return self._encoder.encode_queries(texts)

    def _encode_documents(self, texts: list[str]) -> Vectors:
        return self._encoder.encode_documents(texts)

    def _residuals(self, pairs: Pairs) -> Floats:
        return residuals(self._model, pairs)


def load_model(folder: Path, *, max_length: int) -> CrossEncoder:
    """Load the cross-encoder of a model folder in fp32."""
    from sentence_transformers import CrossEncoder

    model: CrossEncoder = CrossEncoder(str(folder), max_length=max_length, local_files_only=True)
    model.eval().float()
    return model


def residuals(model: CrossEncoder, inputs: Sequence[tuple[str, str]], *, batch_size: int = 8) -> Floats:
    """Return h(query, document) of each pair as float64; batches are sorted by length inside."""
    import torch

    identity = torch.nn.Identity()
    scores = model.predict(list(inputs), batch_size=batch_size, activation_fn=identity, show_progress_bar=False)
    return np.asarray(scores, dtype=np.float64).reshape(-1)
