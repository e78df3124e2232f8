"""The late-interaction model in torch: what exports are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import StrPath
from relsearch.encoders.model_source import fast_dtype
from relsearch.rerank.card import read_card
from relsearch.rerank.late.card import LateCard
from relsearch.rerank.late.model import SECOND, LateModel, load_late
from relsearch.rerank.late.reading import Reading
from relsearch.rerank.late.scorer import LateScorer
from relsearch.rerank.vectors.interaction import TextVectors


class LateTorchScorer(LateScorer):
    """A model folder that `train` wrote."""

    def __init__(self, model: LateModel, *, card: LateCard) -> None:
        super().__init__(
            template=card.template,
            head=card.head,
            calibration=card.calibration,
            most_characters=model.documents.most_characters,
        )
        self._model = model

    @classmethod
    def open(cls, folder: StrPath, *, exact: bool = True) -> LateTorchScorer:
        """Load a model folder; raise ArtifactError if it has no valid reranker.json of a late-interaction model.

        One that is not exact computes in bfloat16 where that is faster.
        """
        card = read_card(folder, LateCard)
        model = open_model(Path(folder), card)
        model.rounded = not exact and fast_dtype() is torch.bfloat16
        return cls(model, card=card)

    def encode_queries(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each query."""
        return self._read(texts, self._model.queries)

    def encode_documents(self, texts: list[str]) -> list[TextVectors]:
        """Return the vectors of each document."""
        return self._read(texts, self._model.documents)

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them."""
        return self._model.truncated(texts, self._model.documents)

    def _read(self, texts: list[str], reading: Reading) -> list[TextVectors]:
        rows: dict[int, TextVectors] = {}
        with torch.inference_mode():
            for place, pooled, tokens in self._model.vectors(texts, reading):
                rows[place] = TextVectors(*(np.asarray(each.cpu().numpy()) for each in (pooled, tokens)))
        return [rows[place] for place in range(len(texts))]


def open_model(folder: Path, card: LateCard) -> LateModel:
    """Load the trained model of a folder in float32; texts are read as its card says, as they were in training."""
    prefixes = EncoderConfig(model=str(folder), query_prefix=card.queries.prefix, document_prefix=card.documents.prefix)
    second = str(folder.resolve() / SECOND) if card.second else None  # absolute: a/second would be a hub id
    model = load_late(str(folder), prefixes, max_length=card.max_length, dimension=card.dimension, second=second)
    model.queries, model.documents, model.head = card.queries, card.documents, card.head
    model.load_trained(folder)
    return model
