"""Cross-encoders of every layout that people publish, small and random, built from their configs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from tests.tiny_models import save_tiny_llama, save_tiny_tokenizer

TEXTS = (
    "why does a cat purr when it is calm",
    "a cat purrs when it is calm and sometimes when it is in pain",
    "sea water holds about 35 grams of salt per litre",
    "green tea is steeped at 80 degrees for two minutes",
)
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
    "initializer_range": 0.3,
}
_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'query' %}<|im_start|>user\n<Query>: "
    "{{ message['content'] }}\n{% elif message['role'] == 'document' %}<Document>: {{ message['content'] }}<|im_end|>\n"
    "{% endif %}{% endfor %}"
    "<|im_start|>assistant\n"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """An architecture, how its folder is laid out, and what writes one."""

    architecture: str
    layout: str
    save: Callable[[Path], object]


def _classifier(config: type[Any], **options: Any) -> Callable[[Path], object]:
    """What writes a sequence-classification model with one label, in the layout of transformers."""

    def save(folder: Path) -> None:
        size = save_tiny_tokenizer(folder, TEXTS, model_max_length=64)
        torch.manual_seed(1)
        made = config(**{**SIZES, "vocab_size": size, "num_labels": 1, "pad_token_id": 0, **options})
        transformers.AutoModelForSequenceClassification.from_config(made).save_pretrained(folder)

    return save


def _distilbert(folder: Path) -> None:
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    _classifier(transformers.DistilBertConfig, **sizes)(folder)


def _modular(folder: Path) -> None:
    """Ettin's: the body, the first token's state, a dense layer, a layer norm, and a dense layer to the score."""
    from sentence_transformers import CrossEncoder
    from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Pooling, Transformer

    body = folder / "body"
    size = save_tiny_tokenizer(body, TEXTS, model_max_length=64)
    torch.manual_seed(1)
    special: dict[str, Any] = {
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    }
    sizes: dict[str, Any] = {**SIZES, **special, "vocab_size": size, "num_labels": 2, "local_attention": 8}
    config = transformers.ModernBertConfig(**sizes)
    transformers.ModernBertModel(config).save_pretrained(body)
    modules = [
        Transformer(str(body)),
        Pooling(32, pooling_mode="cls"),
        Dense(32, 32, bias=False, activation_function=nn.GELU()),
        LayerNorm(32),
        Dense(32, 1, activation_function=nn.Identity(), module_output_name="scores"),
    ]
    CrossEncoder(modules=modules).save_pretrained(str(folder))


def _decoder(folder: Path, config: Any, kind: str) -> None:
    save_tiny_llama(folder, [*TEXTS, "yes no"] * 4)
    size = len(transformers.AutoTokenizer.from_pretrained(folder))
    torch.manual_seed(1)
    sizes = {**SIZES, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}
    made = config(**sizes, vocab_size=size, num_labels=1)
    getattr(transformers, kind).from_config(made).save_pretrained(folder)


def _score_head(folder: Path) -> None:
    """A decoder with a linear layer on its last state, as Qwen3-Reranker is converted for sequence classification."""
    _decoder(folder, transformers.Qwen3Config, "AutoModelForSequenceClassification")


def _tokens(folder: Path, config: Any, yes: str, no: str, *, chat: bool) -> None:
    """A language model whose score is the logit of one token less that of another."""
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.modules import LogitScore
    from sentence_transformers.sentence_transformer.modules import Transformer

    body = folder / "body"
    _decoder(body, config, "AutoModelForCausalLM")
    if chat:
        settings = json.loads((body / "tokenizer_config.json").read_text("utf-8"))
        (body / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": _CHAT}), "utf-8")
    part = Transformer(str(body), transformer_task="text-generation")
    ids = part.tokenizer.convert_tokens_to_ids([yes, no])
    CrossEncoder(modules=[part, LogitScore(*ids)]).save_pretrained(str(folder))


_MODERN = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3, "local_attention": 8}
_DEBERTA = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "type_vocab_size": 0,
    "position_biased_input": False,
}
LAYOUTS: Mapping[str, Layout] = {
    "bert": Layout("BERT", "transformers", _classifier(transformers.BertConfig)),
    "bert-one-type": Layout(
        "BERT, one token type", "transformers", _classifier(transformers.BertConfig, type_vocab_size=1)
    ),
    "distilbert": Layout("DistilBERT", "transformers", _distilbert),
    "mpnet": Layout("MPNet", "transformers", _classifier(transformers.MPNetConfig, pad_token_id=1)),
    "roberta": Layout("RoBERTa", "transformers", _classifier(transformers.RobertaConfig, type_vocab_size=1)),
    "xlm-roberta": Layout("XLM-RoBERTa", "transformers", _classifier(transformers.XLMRobertaConfig, type_vocab_size=1)),
    "electra": Layout("ELECTRA", "transformers", _classifier(transformers.ElectraConfig, embedding_size=32)),
    "deberta-v2": Layout("DeBERTa-v2", "transformers", _classifier(transformers.DebertaV2Config, **_DEBERTA)),
    "modernbert": Layout(
        "ModernBERT", "transformers", _classifier(transformers.ModernBertConfig, classifier_pooling="cls", **_MODERN)
    ),
    "ettin": Layout("ModernBERT (Ettin)", "Transformer, Pooling, Dense, LayerNorm, Dense", _modular),
    "qwen3-score": Layout("Qwen3", "transformers, score head", _score_head),
    "qwen3-yes-no": Layout(
        "Qwen3 (Qwen3-Reranker)",
        "Transformer, LogitScore of yes and no, chat template",
        lambda folder: _tokens(folder, transformers.Qwen3Config, "y", "n", chat=True),
    ),
    "qwen2-1-0": Layout(
        "Qwen2 (mxbai-rerank-v2)",
        "Transformer, LogitScore of 1 and 0",
        lambda folder: _tokens(folder, transformers.Qwen2Config, "1", "0", chat=False),
    ),
}


def saved(name: str, folder: Path) -> Path:
    """Write a layout's model to `folder` and return that."""
    LAYOUTS[name].save(folder)
    return folder
