"""What training writes, as sentence-transformers itself reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder, SentenceTransformer

from relsearch.core.files.atomic import copy_folder
from relsearch.exporters.model_card import model_card
from relsearch.rerank.card import Card, read_card
from relsearch.rerank.cross.torch_scorer import residuals
from relsearch.rerank.families import open_model
from relsearch.rerank.late.reading import Reading
from relsearch.rerank.late.sentence_modules import write_sentence_modules
from relsearch.rerank.late.torch_scorer import LateTorchScorer

QUERY, TEXTS = "how deep is the sea", ["the sea is deep", "a blue sky over the town", "the sea " * 100]


def test_a_late_interaction_model_is_an_encoder(late_model: Path) -> None:
    """Its vectors are the pooled ones of the model, also of a text that is cut."""
    scorer = open_model(late_model)
    assert isinstance(scorer, LateTorchScorer)
    loaded = SentenceTransformer(str(late_model), local_files_only=True)
    for texts, encode, read in (
        ([QUERY], loaded.encode_query, scorer.encode_queries),
        (TEXTS, loaded.encode_document, scorer.encode_documents),
    ):
        assert encode(texts) == pytest.approx(np.stack([each.pooled for each in read(texts)]), abs=1e-5)
    assert "SentenceTransformer(folder)" in model_card(late_model)


def test_an_encoder_reads_texts_with_their_prefixes(tiny_bert: Path, tmp_path: Path) -> None:
    """Queries with one and documents with another, cut at the length that training had."""
    folder = tmp_path / "late"
    copy_folder(tiny_bert, folder)
    query, document = (Reading(prefix=each, max_length=16, skip=1, tail=1) for each in ("sea ", "sky "))
    write_sentence_modules(folder, query, document, size=32, pooling="mean")
    loaded = SentenceTransformer(str(folder), local_files_only=True)
    assert loaded.max_seq_length == 16
    assert loaded.encode_query("deep") == pytest.approx(loaded.encode("sea deep"), abs=1e-6)
    assert loaded.encode_document("deep") == pytest.approx(loaded.encode("sky deep"), abs=1e-6)
    assert np.ptp(loaded.encode_query("deep") - loaded.encode_document("deep")) > 1e-3


def test_a_residual_is_loaded_and_the_card_says_what_lacks(tiny_reranker: Path) -> None:
    """CrossEncoder gives what the model adds to the cosine; both together are the logit."""
    card = read_card(tiny_reranker, Card)
    assert card.prior is not None
    added = residuals(CrossEncoder(str(tiny_reranker), local_files_only=True), [(QUERY, text) for text in TEXTS])
    whole = open_model(tiny_reranker).logits(QUERY, TEXTS)
    cosines = SentenceTransformer(card.encoder.model, local_files_only=True) if card.encoder else None
    assert cosines is not None
    vectors = cosines.encode([QUERY, *TEXTS], normalize_embeddings=True)
    assert whole == pytest.approx(added + card.prior.logits(vectors[1:] @ vectors[0]), abs=1e-4)
    assert np.ptp(added) > 1e-3
    assert "read the added part alone" in model_card(tiny_reranker)
    assert "`relsearch serve`" in model_card(tiny_reranker)
