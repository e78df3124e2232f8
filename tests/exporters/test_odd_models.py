"""Whatever folder `export --model` is given: it scores as the model does, or one line says why not."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from sentence_transformers import CrossEncoder
from torch import nn

from relsearch.cli.app import main
from relsearch.exporters.bundle.cross_encoder import write_foreign
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from tests.odd_models import BROKEN, Change, copied, edit, lose, reweigh
from tests.tiny_models import save_tiny_tokenizer

pytestmark = pytest.mark.slow

SIZE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "num_labels": 1,
    "initializer_range": 0.3,
}
TEXTS = ["a cat purrs", "why", "", "sea water holds salt " * 100]


def saved(folder: Path, kind: str, **settings: Any) -> Path:
    """A random model of a kind, with a tokenizer that gives types and knows no limit, as its config leaves it."""
    size = save_tiny_tokenizer(folder, TEXTS, model_max_length=10**30)
    config = getattr(transformers, f"{kind}Config")(vocab_size=size, **{**SIZE, **settings})
    getattr(transformers, f"{kind}ForSequenceClassification")(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder with nothing wrong."""
    return saved(tmp_path_factory.mktemp("odd") / "bert", "Bert")


def predicted(folder: Path, *, max_length: int, typed: bool) -> list[float]:
    """What sentence-transformers predicts; without token types where it would stop at them."""
    model = CrossEncoder(str(folder), device="cpu", max_length=max_length)
    if not typed:
        model.tokenizer.model_input_names = ["input_ids", "attention_mask"]
    pairs = [("why does a cat purr", text) for text in TEXTS]
    found = model.predict(pairs, activation_fn=nn.Identity(), show_progress_bar=False)
    return np.asarray(found).reshape(-1).tolist()


def test_bert(bert: Path, tmp_path: Path) -> None:
    """Its tokenizer, which knows no limit, is cut to its positions."""
    assert_scores_as_predicted(bert, tmp_path, max_length=66)


# DeBERTa and ModernBERT say so as they are imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "settings", "max_length", "typed"),
    [
        ("Bert", {"type_vocab_size": 1}, 66, False),
        ("Electra", {"embedding_size": 16}, 66, True),
        ("Albert", {"embedding_size": 16}, 66, True),
        ("Roberta", {"type_vocab_size": 1, "pad_token_id": 0}, 65, False),
        ("XLMRoberta", {"type_vocab_size": 1, "pad_token_id": 1}, 64, False),
        ("MPNet", {}, 64, False),
        ("DistilBert", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}, 66, False),
        ("DebertaV2", {"relative_attention": True, "type_vocab_size": 0, "position_biased_input": False}, 66, True),
    ],
)
def test_every_kind_scores_as_predicted(
    kind: str, settings: dict[str, Any], max_length: int, typed: bool, tmp_path: Path
) -> None:
    """Long documents and empty ones too; a model that does not tell token types apart is given none."""
    assert_scores_as_predicted(
        saved(tmp_path / "model", kind, **settings), tmp_path, max_length=max_length, typed=typed
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: edit(folder, "tokenizer_config.json", model_max_length=32), id="a lower limit"),
        pytest.param(lambda folder: (folder / "tokenizer.json").unlink(), id="vocab.txt alone"),
        pytest.param(lambda folder: (folder / "modules.json").write_text("no JSON"), id="modules that nobody reads"),
        pytest.param(
            lambda folder: edit(folder, sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity"}),
            id="an activation of its own",
        ),
        pytest.param(
            lambda folder: reweigh(folder, lambda tensors: tensors.update(more=tensors["classifier.bias"].clone())),
            id="a weight too many",
        ),
        pytest.param(
            lambda folder: edit(folder, "tokenizer_config.json", model_input_names=["input_ids", "attention_mask"]),
            id="types that it does not give",
        ),
    ],
)
def test_what_does_no_harm_is_met(change: Change, bert: Path, tmp_path: Path) -> None:
    """The bundle scores as the folder does."""
    folder = copied(bert, tmp_path / "model", change)
    limit = json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"]
    assert_scores_as_predicted(folder, tmp_path, max_length=min(66, limit))


def assert_scores_as_predicted(folder: Path, tmp_path: Path, *, max_length: int, typed: bool = True) -> None:
    """The bundle's logits are the model's, read to the same length."""
    manifest = write_foreign(str(folder), tmp_path / "bundle", max_length=512)
    assert manifest.max_length == max_length
    found = OnnxScorer.open(tmp_path / "bundle").logits("why does a cat purr", TEXTS)
    wanted = predicted(folder, max_length=max_length, typed=typed)
    assert found == pytest.approx(wanted, abs=1e-4)
    assert np.std(wanted) > 0.01


def several_labels(folder: Path, count: int) -> None:
    """Write a classifier of some classes."""
    config = transformers.AutoConfig.from_pretrained(folder, num_labels=count)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)


def one_label_says_the_config(folder: Path) -> None:
    """Two classes' weights under a config of one."""
    several_labels(folder, 2)
    edit(folder, id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0})


def sentence_encoder(folder: Path) -> None:
    """Write a body without a head."""
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.BertModel(config).save_pretrained(folder)
    edit(folder, architectures=["BertModel"])


def slow_tokenizer(folder: Path) -> None:
    """Leave a tokenizer that only Python code reads."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"}'
    )


REFUSED: dict[str, tuple[Change, str]] = BROKEN | {
    "two labels": (lambda folder: several_labels(folder, 2), "gives 2 labels, a reranker gives one score"),
    "three labels": (lambda folder: several_labels(folder, 3), "gives 3 labels"),
    "a head of another size": (one_label_says_the_config, "classifier.bias has another size than config.json says"),
    "no head": (
        lambda folder: lose(folder, "classifier"),
        r"no cross-encoder, its head \(classifier\.bias\) is not in the",
    ),
    "half a head": (lambda folder: lose(folder, "classifier.bias"), r"no cross-encoder, its head \(classifier\.bias\)"),
    "a sentence encoder": (sentence_encoder, "no cross-encoder, its head"),
    "a slow tokenizer": (slow_tokenizer, r"no tokenizer\.json, and none can be made"),
    "an adapter": (lambda folder: (folder / "adapter_config.json").write_text("{}"), "merge it into its base"),
    "pickled weights": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "pickled weights are not read",
    ),
    "no folder at all": (lambda folder: [path.unlink() for path in folder.iterdir()], "not a model"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_exported_is_one_line(
    wrong: str,
    bert: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command ends with 1, says why, writes nothing and leaves the model as it was."""
    change, said = REFUSED[wrong]
    folder = copied(bert, tmp_path / "odd", change)
    before = digests(tmp_path)
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["relsearch", "export", "--model", str(folder), "-o", str(tmp_path / "bundle")])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 1
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("relsearch: ")
    assert "odd" in shown.err
    assert re.search(said, shown.err)
    assert digests(tmp_path) == before


def digests(folder: Path) -> dict[str, str]:
    """What lies in a folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
