"""The trunk: reading from kept states is reading with the whole model, and interrupted work goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from relsearch.config import JudgeConfig
from relsearch.judge import trunk
from relsearch.judge.base import Base, load_base
from relsearch.judge.prompt import Tokens, load_prompt
from relsearch.judge.reader import read_all
from relsearch.types import Pair, Scale


@pytest.fixture
def base(judge_config: JudgeConfig, scale: Scale) -> Base:
    """The tiny Llama with adapters that do something, on its upper block."""
    base = load_base(judge_config, load_prompt("graded"), scale, dtype=torch.float32)
    torch.manual_seed(2)
    lora = LoraConfig(r=2, target_modules=["q_proj", "up_proj"], layers_to_transform=[1], init_lora_weights=False)
    get_peft_model(base.model, lora)
    return base


def test_features_from_the_trunk_are_those_of_the_whole_model(base: Base, pairs: list[Pair], tmp_path: Path) -> None:
    """Splitting the model changes nothing, adapters included."""
    tokens = base.encode(pairs)
    split = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    assert isinstance(split, trunk.UpperCausalReader)
    found = read_all(split.features, tokens, batch_size=3)
    torch.testing.assert_close(found, read_all(base.reader().features, tokens, batch_size=3), atol=1e-4, rtol=1e-4)


def test_adapters_learn_from_kept_states(base: Base, pairs: list[Pair], tmp_path: Path) -> None:
    """Gradients reach the adapters, through the prefix too."""
    tokens = base.encode(pairs[:10])
    base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path).features(tokens[:5])[:, 0].sum().backward()
    gradients = [part.grad for name, part in base.model.named_parameters() if "lora_A" in name]
    assert gradients
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_what_was_computed_before_an_interruption_is_kept(
    base: Base, pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second try computes only the queries that the first did not finish."""
    tokens = base.encode(pairs)
    seen: list[int] = []
    real = trunk.UpperCausalReader._compute

    def third_fails(self: trunk.UpperCausalReader, rows: list[Tokens]) -> None:
        seen.append(len(rows))
        if len(seen) == 3:
            raise KeyboardInterrupt
        real(self, rows)

    monkeypatch.setattr(trunk.UpperCausalReader, "_compute", third_fails)
    with pytest.raises(KeyboardInterrupt):
        base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    again = base.tuning_reader(tokens, tuned_layers=1, folder=tmp_path)
    assert len(seen) == 3 + 2  # four queries: two were finished, the third is done again
    found = read_all(again.features, tokens, batch_size=3)
    torch.testing.assert_close(found, read_all(base.reader().features, tokens, batch_size=3), atol=1e-4, rtol=1e-4)
