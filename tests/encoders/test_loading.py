"""Whatever a model is loaded for, what is wrong with it is one of our errors that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from relsearch.core.errors import ConfigError, ModelError
from relsearch.core.settings.config import EncoderConfig, JudgeConfig, SynthesizeConfig
from relsearch.core.types import SCALES
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.loading import positions, tells_types
from relsearch.judge.models.base import load_base
from relsearch.judge.models.prompt import load_prompt
from relsearch.rerank.cross.start import load_start
from relsearch.rerank.cross.torch_scorer import TorchScorer, load_model, residuals
from relsearch.rerank.late.model import load_late
from relsearch.synthesis.writer.causal import QueryWriter
from tests.architectures import saved
from tests.odd_models import BROKEN, copied, edit, lose
from tests.tiny_models import save_tiny_tokenizer

Load = Callable[[str], object]

ENCODERS: dict[str, Load] = {
    "encoder": lambda name: load_encoder(EncoderConfig(model=name)),
    "cross-encoder to train": lambda name: load_start(name, max_length=64, seed=1),
    "late interaction": lambda name: load_late(name, EncoderConfig(model=name), max_length=64, dimension=8),
    "judge": lambda name: judge(name, family="encoder"),
}
WRITERS: dict[str, Load] = {
    "judge": lambda name: judge(name, family="llm"),
    "writer": lambda name: QueryWriter(SynthesizeConfig(base=name), seed=1),
}


def judge(name: str, **settings: object) -> object:
    """Load a judge's base."""
    config = JudgeConfig.model_validate({"base": name, "max_document_tokens": 32, **settings})
    return load_base(config, load_prompt("graded"), SCALES["0-3"], dtype=torch.float32)


@pytest.mark.parametrize("wrong", BROKEN)
@pytest.mark.parametrize("use", ENCODERS)
def test_a_broken_encoder_is_one_error(use: str, wrong: str, tiny_bert: Path, tmp_path: Path) -> None:
    """For each use that there is."""
    change, said = BROKEN[wrong]
    with pytest.raises(ModelError, match=said) as raised:
        ENCODERS[use](str(copied(tiny_bert, tmp_path / "odd", change)))
    assert "odd" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wrong", BROKEN)
@pytest.mark.parametrize("use", WRITERS)
def test_a_broken_language_model_is_one_error(use: str, wrong: str, tiny_llama: Path, tmp_path: Path) -> None:
    """For each use that there is."""
    change, said = BROKEN[wrong]
    with pytest.raises(ModelError, match=said) as raised:
        WRITERS[use](str(copied(tiny_llama, tmp_path / "odd", change)))
    assert "odd" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("use", WRITERS)
def test_an_encoder_is_no_language_model(use: str, tiny_bert: Path) -> None:
    """Its head would be drawn at random."""
    with pytest.raises(ModelError, match="no language model, its head"):
        WRITERS[use](str(tiny_bert))


@pytest.mark.parametrize("use", ENCODERS)
def test_a_pooler_may_be_absent(use: str, tiny_bert: Path, tmp_path: Path) -> None:
    """Many encoders are published without one, and nothing reads it."""
    ENCODERS[use](str(copied(tiny_bert, tmp_path / "model", lambda folder: lose(folder, "pooler"))))


def test_a_classifiers_head_is_drawn_anew_for_training(tiny_bert: Path, tmp_path: Path) -> None:
    """A base that told three classes apart can learn to rank."""
    folder = tmp_path / "model"
    config = transformers.AutoConfig.from_pretrained(tiny_bert, num_labels=3)
    model = transformers.BertForSequenceClassification(config)
    copied(tiny_bert, folder, model.save_pretrained)
    assert residuals(load_start(str(folder), max_length=64, seed=1), [("a", "b")]) == pytest.approx([0.0])


def test_token_types_that_a_model_does_not_take_are_not_given(tmp_path: Path) -> None:
    """DistilBERT with a tokenizer that gives types, as one that was made for BERT does, is trained and scores."""
    size = save_tiny_tokenizer(tmp_path, ["why does a cat purr"])
    sizes: dict[str, Any] = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "num_labels": 1}
    config = transformers.DistilBertConfig(vocab_size=size, max_position_embeddings=128, **sizes)
    transformers.DistilBertForSequenceClassification(config).save_pretrained(tmp_path)
    assert len(residuals(load_model(tmp_path), [("why", "a cat"), ("a", "")])) == 2
    assert (
        load_start(str(tmp_path), max_length=128, seed=1).predict([("why", "a cat")], show_progress_bar=False)[0] >= 0
    )


MPNET = transformers.MPNetConfig(
    vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
    max_position_embeddings=66,
)  # fmt: skip


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random MPNet of 66 positions, the first two its padding's, whose tokenizer knows no limit."""
    folder = tmp_path_factory.mktemp("tiny") / "mpnet"
    save_tiny_tokenizer(folder, ["why does a cat purr"], model_max_length=10**30)
    transformers.MPNetModel(MPNET).save_pretrained(folder)
    return folder


def test_no_more_tokens_are_read_than_there_are_positions(mpnet: Path) -> None:
    """The encoder cuts a long text; whoever asks for more is told how many there are."""
    load_encoder(EncoderConfig(model=str(mpnet))).encode_documents(["a cat " * 500])
    for load in (
        lambda length: load_start(str(mpnet), max_length=length, seed=1),
        lambda length: load_late(str(mpnet), EncoderConfig(model=str(mpnet)), max_length=length, dimension=8),
    ):
        with pytest.raises(ConfigError, match="reads at most 64 tokens"):
            load(65)
        load(64)
    with pytest.raises(ConfigError, match=r"max_document_tokens 32: .* reads at most 64; lower it"):
        judge(str(mpnet), family="encoder", max_query_tokens=60)


def test_a_published_cross_encoder_reads_no_more_than_it_can(tmp_path: Path) -> None:
    """Also where its tokenizer knows no limit, as that of many RoBERTas."""
    folder = saved("roberta", tmp_path / "roberta")
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    settings.pop("model_max_length", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    scorer = TorchScorer.published(folder)
    long = "a cat " * 500
    assert scorer.truncated("why", [long, "a cat"]) == 1
    assert scorer.score("why", [long]) == pytest.approx(scorer.score("why", [f"{long} purrs"]))


def test_a_model_that_reads_next_to_nothing_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    """Six positions leave no room for a pair."""
    folder = tmp_path / "model"
    config = transformers.AutoConfig.from_pretrained(tiny_bert, max_position_embeddings=6)
    copied(tiny_bert, folder, transformers.BertModel(config).save_pretrained)
    with pytest.raises(ModelError, match="reads 6 tokens, 8 are needed"):
        load_start(str(folder), max_length=6, seed=1)


def test_what_models_say_of_themselves() -> None:
    """Positions and token types, by kind."""
    small: dict[str, Any] = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    roberta = transformers.RobertaModel(
        transformers.RobertaConfig(**small, type_vocab_size=1, max_position_embeddings=14)
    )
    bert = transformers.BertModel(transformers.BertConfig(**small, max_position_embeddings=14))
    assert (positions(roberta), positions(bert), positions(transformers.MPNetModel(MPNET))) == (12, 14, 64)
    assert (tells_types(roberta), tells_types(bert)) == (False, True)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    """The first text with such a token would fail."""
    folder = tmp_path / "model"
    config = transformers.AutoConfig.from_pretrained(tiny_bert, vocab_size=20)
    copied(tiny_bert, folder, transformers.BertModel(config).save_pretrained)
    for load in (ENCODERS["cross-encoder to train"], ENCODERS["late interaction"]):
        with pytest.raises(ModelError, match="the model knows 20; copy the whole model"):
            load(str(folder))


def test_a_tokenizer_without_padding_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    """Pairs could not be read together."""

    def change(folder: Path) -> None:
        edit(folder, "tokenizer_config.json", pad_token=None, tokenizer_class="PreTrainedTokenizerFast")

    with pytest.raises(ModelError, match="no padding token; set pad_token"):
        load_start(str(copied(tiny_bert, tmp_path / "odd", change)), max_length=64, seed=1)
