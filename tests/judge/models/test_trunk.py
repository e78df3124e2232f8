"""The trunk: reading from kept states is reading with the whole model, and interrupted work goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import Document, Pair, Scale
from relsearch.judge.models import trunk
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.bidirectional import EncoderReader
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.prompt import Tokens, load_prompt
from tests.tiny_models import save_tiny_bert

_READERS = {"llm": trunk.UpperCausalReader, "encoder": trunk.UpperEncoderReader}

# Said by transformers 5.24 of peft 0.21; relsearch's own calls of peft keep it back.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(params=["llm", "encoder"])
def family(request: pytest.FixtureRequest) -> str:
    """Each family in turn."""
    return str(request.param)


@pytest.fixture
def base(family: str, judge_config: JudgeConfig, encoder_config: JudgeConfig, scale: Scale) -> Base:
    """The tiny Llama or BERT with adapters that do something, on its upper layer."""
    config = judge_config if family == "llm" else encoder_config
    base = load_base(config, load_prompt("graded"), scale, dtype=torch.float32)
    torch.manual_seed(2)
    targets = ["q_proj", "up_proj"] if family == "llm" else ["query", "dense"]
    lora = LoraConfig(r=2, target_modules=targets, layers_to_transform=[1], init_lora_weights=False)
    get_peft_model(base.model, lora)
    return base


def test_features_from_the_trunk_are_those_of_the_whole_model(
    family: str, base: Base, pairs: list[Pair], tmp_path: Path
) -> None:
    """Splitting the model changes nothing, adapters included."""
    tokens = base.encode(pairs)
    split = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    assert isinstance(split, _READERS[family])
    found = read_all(split.features, tokens, batch_size=3)
    torch.testing.assert_close(found, read_all(base.reader().features, tokens, batch_size=3), atol=1e-4, rtol=1e-4)


def test_adapters_learn_from_kept_states(base: Base, pairs: list[Pair], tmp_path: Path) -> None:
    """Gradients reach the adapters, through the prefix too."""
    tokens = base.encode(pairs[:10])
    base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path).features(tokens[:5])[:, 0].sum().backward()
    gradients = [part.grad for name, part in base.model.named_parameters() if "lora_A" in name]
    assert gradients
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_what_is_learned_shows_in_features_from_the_trunk(base: Base, pairs: list[Pair], tmp_path: Path) -> None:
    """Kept states are those below the adapters: when an adapter changes, features follow the whole model's."""
    tokens = base.encode(pairs[:10])
    split = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    before = read_all(split.features, tokens, batch_size=3)
    with torch.no_grad():
        for name, part in base.model.named_parameters():
            if "lora_A" in name:
                part.mul_(-3)
    after = read_all(split.features, tokens, batch_size=3)
    assert (after - before).abs().max() > 0.01
    torch.testing.assert_close(after, read_all(base.reader().features, tokens, batch_size=3), atol=1e-4, rtol=1e-4)


def test_what_was_computed_before_an_interruption_is_kept(
    family: str, base: Base, pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second try computes only the groups that the first did not finish."""
    tokens = base.encode(pairs)
    seen: list[int] = []
    reader: type[Any] = _READERS[family]
    real = reader._compute

    def third_fails(self: Any, rows: list[Tokens]) -> None:
        seen.append(len(rows))
        if len(seen) == 3:
            raise KeyboardInterrupt
        real(self, rows)

    monkeypatch.setattr(reader, "_compute", third_fails)
    with pytest.raises(KeyboardInterrupt):
        base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    again = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    # Four queries, or forty pairs by eight: two groups were finished, the third is done again.
    assert len(seen) == 3 + (2 if family == "llm" else 3)
    found = read_all(again.features, tokens, batch_size=3)
    torch.testing.assert_close(found, read_all(base.reader().features, tokens, batch_size=3), atol=1e-4, rtol=1e-4)


def test_states_of_other_pairs_are_not_taken_for_these(base: Base, pairs: list[Pair], tmp_path: Path) -> None:
    """A folder that is used again, for as many pairs of the same lengths even, keeps both apart."""
    tokens = base.encode(pairs)
    others = [replace(row, rest=row.rest[::-1]) for row in tokens]
    first = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    second = base.tuning_reader(others, tuned_layers=1, folder=tmp_path)
    for reader, rows in ((first, tokens), (second, others)):
        found = read_all(reader.features, rows, batch_size=3)
        torch.testing.assert_close(found, read_all(base.reader().features, rows, batch_size=3), atol=1e-4, rtol=1e-4)


def test_states_of_other_weights_are_not_read(base: Base, pairs: list[Pair], tmp_path: Path) -> None:
    """The same texts read by another model have other states."""
    tokens = base.encode(pairs[:10])
    base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    with torch.no_grad():
        next(base.model.parameters()).mul_(2)  # the word embeddings
    other = replace(base, checksum="other")
    found = read_all(other.tuning_reader(tokens, tuned_layers=1, folder=tmp_path).features, tokens, batch_size=3)
    torch.testing.assert_close(found, read_all(base.reader().features, tokens, batch_size=3), atol=1e-4, rtol=1e-4)


def test_finished_states_are_not_computed_again(
    family: str, base: Base, pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that resumes after the trunk was done reads it from the disk."""
    tokens = base.encode(pairs)
    base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)

    def fails(self: Any, rows: list[Tokens]) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(_READERS[family], "_compute", fails)
    again = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    found = read_all(again.features, tokens, batch_size=3)
    torch.testing.assert_close(found, read_all(base.reader().features, tokens, batch_size=3), atol=1e-4, rtol=1e-4)


def test_where_all_layers_are_tuned_nothing_is_kept(base: Base, pairs: list[Pair], tmp_path: Path) -> None:
    """Without a frozen part the whole model reads."""
    reader = base.tuning_reader(base.encode(pairs[:4]), tuned_layers=2, folder=tmp_path)
    assert type(reader) is type(base.reader())
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_of_another_build_is_read_whole(
    encoder_config: JudgeConfig, documents: list[Document], pairs: list[Pair], scale: Scale, tmp_path: Path
) -> None:
    """DistilBERT has no `encoder.layer`: the reader is the whole model's, gradients and all."""
    from transformers import DistilBertConfig, DistilBertModel

    folder = save_tiny_bert(tmp_path / "base", [document.fields["text"] for document in documents])
    (folder / "model.safetensors").unlink()
    words = len((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
    DistilBertModel(
        DistilBertConfig(vocab_size=words, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=128)
    ).save_pretrained(folder)
    other = encoder_config.model_copy(update={"base": str(folder)})
    base = load_base(other, load_prompt("graded"), scale, dtype=torch.float32)
    assert trunk.encoder_layers(base.model) == []
    tokens = base.encode(pairs[:4])
    reader = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path / "trunk")
    assert type(reader) is EncoderReader
    assert not (tmp_path / "trunk").exists()
    assert reader.features(tokens).requires_grad
