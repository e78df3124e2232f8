"""Training on a reranker goes on from its own score, on any other base from a score of zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from relsearch.core.errors import ConfigError
from relsearch.core.types import Document, Query
from relsearch.exporters.bundle.onnx import write_fp32
from relsearch.rerank.card import Card, read_card
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.start import is_reranker, load_reranker
from relsearch.rerank.cross.torch_scorer import TorchScorer, load_model, residuals
from tests.architectures import LAYOUTS, TEXTS, saved
from tests.rerank.tiny_reranker import train_tiny

# Their tiny tokenizers tell two token types, with which sentence-transformers itself cannot read pairs.
ONE_TYPE = ("bert-one-type", "roberta", "xlm-roberta")
PAIRS = [(TEXTS[0], text) for text in TEXTS[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_reranker_starts_at_its_own_score(name: str, tmp_path: Path) -> None:
    """Of every layout that people publish; nothing is drawn or set to zero."""
    folder = str(saved(name, tmp_path / name))
    assert is_reranker(folder)
    published = load_model(folder) if name in ONE_TYPE else CrossEncoder(folder, local_files_only=True)
    expected = residuals(published, PAIRS)
    assert np.ptp(expected) > 1e-3
    assert residuals(load_reranker(folder, max_length=64), PAIRS) == pytest.approx(expected, abs=1e-5)


def test_an_encoder_is_no_reranker(tiny_bert: Path, tmp_path: Path) -> None:
    """Nor is what was trained on a cosine, without that; one that reads too little says so."""
    assert not is_reranker(str(tiny_bert))
    with pytest.raises(ConfigError, match="reads at most 130 tokens; lower it"):
        load_reranker(str(saved("bert", tmp_path / "bert")), max_length=256)


@pytest.mark.slow
def test_the_bundle_of_no_step_scores_as_its_base(
    tmp_path: Path, queries: list[Query], documents: list[Document]
) -> None:
    """Trained at a rate that moves nothing: in torch, exported, and by CrossEncoder; the card has no cosine."""
    base = saved("bert", tmp_path / "base")
    report = train_tiny(
        base,
        tmp_path / "trained",
        queries=queries,
        documents=documents,
        learning_rate=1e-12,
        head_multiple=20,
        max_steps=1,
        evaluations=1,
    )
    card = read_card(tmp_path / "trained", Card)
    assert (card.prior, card.encoder, report.gained) == (None, None, False)
    write_fp32(tmp_path / "trained", tmp_path / "bundle")
    expected = residuals(CrossEncoder(str(base), local_files_only=True), PAIRS)
    for scorer in (TorchScorer.open(tmp_path / "trained"), OnnxScorer.open(tmp_path / "bundle")):
        assert scorer.logits(TEXTS[0], TEXTS[1:]) == pytest.approx(expected, abs=1e-4)
    loaded = CrossEncoder(str(tmp_path / "trained"), local_files_only=True)
    assert residuals(loaded, PAIRS) == pytest.approx(expected, abs=1e-4)
