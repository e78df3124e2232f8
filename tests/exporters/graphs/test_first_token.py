"""The last layer for the first token alone is exact, in every kind of encoder that people rerank with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from relsearch.core.errors import GateError, ModelError
from relsearch.exporters.graphs import checked
from relsearch.exporters.graphs.checked import export_cross_encoder
from tests.tiny_models import save_tiny_tokenizer

# DeBERTa and ModernBERT say so as they are imported.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")]

SIZE: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_labels": 1,
    "initializer_range": 0.3,
}
DEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "type_vocab_size": 0,
    "position_biased_input": False,
}
MODERN: dict[str, Any] = {
    "global_attn_every_n_layers": 2,
    "local_attention": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
    "reference_compile": False,
}
DISTIL: dict[str, Any] = {
    "vocab_size": 60,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 64,
    "max_position_embeddings": 64,
    "num_labels": 1,
}
KINDS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertConfig(**SIZE),
    "roberta": lambda: transformers.RobertaConfig(**SIZE, type_vocab_size=1),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(**SIZE, type_vocab_size=1),
    "electra": lambda: transformers.ElectraConfig(**SIZE, embedding_size=32),
    "deberta": lambda: transformers.DebertaV2Config(**SIZE, **DEBERTA),
    "modernbert": lambda: transformers.ModernBertConfig(**SIZE, **MODERN, classifier_pooling="cls"),
    "modernbert, mean": lambda: transformers.ModernBertConfig(**SIZE, **MODERN, classifier_pooling="mean"),
    "distilbert": lambda: transformers.DistilBertConfig(**DISTIL),
}
WHOLE = ("modernbert, mean", "distilbert")


def saved(folder: Path, config: Any) -> Path:
    """A random model of the kind with a tokenizer, written to a folder."""
    assert save_tiny_tokenizer(folder, ["a b"], model_max_length=64) <= SIZE["vocab_size"]
    torch.manual_seed(1)
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_exported_exactly(kind: str, tmp_path: Path) -> None:
    """The graph's logits are torch's, which the exporter itself holds it to; only a head that reads all needs all."""
    model = saved(tmp_path / "model", KINDS[kind]())
    facts = export_cross_encoder(model, tmp_path / "model.onnx", tokenizer=tmp_path / "tokenizer.json")
    assert facts.last_layer == ("all tokens" if kind in WHOLE else "first token")
    assert facts.max_length == (62 if "roberta" in kind else 64)  # its first two positions are its padding's


def test_a_graph_that_is_not_the_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any tolerance rounding alone is refused, so the comparison is made."""
    monkeypatch.setattr(checked, "TOLERANCE", -1.0)
    with pytest.raises(GateError, match="differs from torch"):
        export_cross_encoder(
            saved(tmp_path / "model", KINDS["bert"]()), tmp_path / "m.onnx", tokenizer=tmp_path / "t.json"
        )


def test_a_model_with_several_labels_is_refused(tmp_path: Path) -> None:
    """A classifier is no reranker."""
    config = transformers.BertConfig(**{**SIZE, "num_labels": 3})
    with pytest.raises(ModelError, match="gives 3 labels"):
        export_cross_encoder(saved(tmp_path / "model", config), tmp_path / "m.onnx", tokenizer=tmp_path / "t.json")
