"""Training of the residual cross-encoder on a tiny random BERT."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relsearch.core.errors import ArtifactError, ConfigError, DataError
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import Document, Query
from relsearch.encoders.encoder import load_encoder
from relsearch.rerank.card import CARD, Card, read_card
from relsearch.rerank.cross.start import load_start
from relsearch.rerank.cross.torch_scorer import TorchScorer, residuals
from tests.rerank.tiny_reranker import dev_pairs, examples_of, texts_of, train_tiny

pytestmark = pytest.mark.slow


def test_the_start_adds_nothing(tiny_bert: Path) -> None:
    """Before training every residual is exactly zero, so step 0 ranks as the cosine."""
    model = load_start(str(tiny_bert), max_length=64, seed=1)
    assert (residuals(model, [("why", "because"), ("a cat", "")]) == 0).all()


def test_a_base_too_short_for_the_texts_is_refused(tiny_bert: Path) -> None:
    """More tokens than the base has positions is a setting to correct, not an index error later."""
    with pytest.raises(ConfigError, match=r"max_length 256: .* at most 128 tokens"):
        load_start(str(tiny_bert), max_length=256, seed=1)


def test_training_moves_the_weights_and_keeps_the_best(
    tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """The kept weights are those of the best look; the history starts with the untrained cosine, and the loss falls."""
    report = train_tiny(tiny_bert, tmp_path, queries=queries, documents=documents)
    card = read_card(tmp_path, Card)
    assert report.steps == 24
    assert [look.step for look in card.history] == [0, 12, 24]
    assert card.dev_ndcg10 == max(look.ndcg10 for look in card.history)
    assert [step for step, _ in card.losses] == list(range(3, 25, 3))
    assert card.losses[-1][1] < card.losses[0][1]
    assert card.dev_ndcg10 > card.dev_ndcg10_cosine
    assert report.gained
    scored = TorchScorer.open(tmp_path)
    assert len(scored.score("why does a cat purr", ["a cat purrs", "the sea"])) == 2
    assert not (tmp_path / "checkpoints").exists()


def test_step_zero_can_win(tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]) -> None:
    """Where no step beats the cosine, the cosine is what is kept, and the report says so."""
    report = train_tiny(tiny_bert, tmp_path, queries=queries, documents=documents, learning_rate=1e-12)
    assert not report.gained
    assert report.card.best_step == 0
    texts = [pair.text for pair in dev_pairs(queries, documents)[:10]]
    encoder = load_encoder(EncoderConfig(model=str(tiny_bert)))
    cosines = encoder.encode_documents(texts) @ encoder.encode_queries([queries[2].text])[0]
    scores = TorchScorer.open(tmp_path).logits(queries[2].text, texts)
    assert np.argsort(-scores).tolist() == np.argsort(-cosines).tolist()


def test_same_seed_same_weights(
    tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Two runs with one seed write the same bytes."""
    for name in ("one", "two"):
        train_tiny(tiny_bert, tmp_path / name, queries=queries, documents=documents)
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert first == second


def test_a_finished_folder_is_trained_anew(
    tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Training into the folder of a finished run replaces it; nothing of it is taken for a checkpoint."""
    train_tiny(tiny_bert, tmp_path, queries=queries, documents=documents)
    before = (tmp_path / "model.safetensors").read_bytes()
    report = train_tiny(tiny_bert, tmp_path, queries=queries, documents=documents, learning_rate=1e-12)
    assert not report.gained
    assert (tmp_path / "model.safetensors").read_bytes() != before
    assert not [path.name for path in tmp_path.iterdir() if path.name in {"best", "checkpoints", "history.json"}]


def test_time_limit_ends_training(
    tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """With no time at all one step is made, looked at, and a whole model is written."""
    report = train_tiny(tiny_bert, tmp_path, queries=queries, documents=documents, minutes=1e-9)
    assert report.steps == 1
    assert [look.step for look in report.card.history] == [0, 1]


def test_a_cut_run_resumes(tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]) -> None:
    """A run that failed after its last checkpoint goes on from there and ends as the uncut one."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train_tiny(tiny_bert, whole, queries=queries, documents=documents)
    with pytest.raises(_CutError):
        _train_and_cut(tiny_bert, cut, queries, documents)
    assert (cut / "checkpoints" / "checkpoint-12").is_dir()
    assert not (cut / CARD).exists()
    report = train_tiny(tiny_bert, cut, queries=queries, documents=documents)
    assert [look.step for look in report.card.history] == [0, 12, 24]
    assert report.card.losses == read_card(whole, Card).losses
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


class _CutError(Exception):
    """Stands for the machine going down."""


def _train_and_cut(base: Path, output: Path, queries: list[Query], documents: list[Document]) -> None:
    from transformers import TrainerCallback, trainer

    class Cut(TrainerCallback):
        def on_step_end(self, args: object, state: object, control: object, **kwargs: object) -> None:
            if getattr(state, "global_step", 0) == 18:
                raise _CutError

    callbacks: list[Any] = trainer.DEFAULT_CALLBACKS
    callbacks.append(Cut)
    try:
        train_tiny(base, output, queries=queries, documents=documents)
    finally:
        callbacks.remove(Cut)


def test_dev_without_relevant_documents_is_refused(
    tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Nothing can be chosen or calibrated on queries without relevant documents."""
    irrelevant = [document for document in documents if document.doc_id.startswith(("cat", "tea"))]
    with pytest.raises(DataError, match="none is relevant"):
        train_tiny(tiny_bert, tmp_path, queries=queries, documents=documents, dev_documents=irrelevant)


def test_missing_text_is_named(documents: list[Document], queries: list[Query]) -> None:
    """An example whose document is unknown is an error naming it."""
    texts = texts_of(queries, documents[1:])
    ids = examples_of(["q1"], documents).select("query_id", "doc_id").rows()
    with pytest.raises(DataError, match="document 'cat-1' has no text"):
        texts.pairs(ids)


def test_a_malformed_card_is_refused(tmp_path: Path) -> None:
    """A reranker.json that lacks its prior is an error naming the key."""
    (tmp_path / CARD).write_text('{"base": "b"}')
    with pytest.raises(ArtifactError, match="template"):
        read_card(tmp_path, Card)
    shutil.rmtree(tmp_path)
    with pytest.raises(ArtifactError, match="relsearch train"):
        read_card(tmp_path, Card)
