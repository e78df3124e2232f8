"""What tuning changes of a base: only the top layers, kept small, and put back without loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from relsearch.core.errors import ModelError
from relsearch.core.settings.config import JudgeConfig, TuneConfig
from relsearch.core.types import Pair, Scale
from relsearch.judge.models import adapter
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.prompt import Prompt

NewBase = Callable[[], Base]
_RANKS = pytest.mark.parametrize("rank", [2, 0], ids=["adapters", "own weights"])


@pytest.fixture(scope="module", params=["llm", "encoder"])
def new_base(request: pytest.FixtureRequest, scale: Scale) -> NewBase:
    """Loads the tiny Llama or the tiny BERT afresh, in float32."""
    config: JudgeConfig = request.getfixturevalue("judge_config" if request.param == "llm" else "encoder_config")
    return lambda: load_base(config, Prompt(text="{query} | {document} = "), scale, dtype=torch.float32)


def _tuned(base: Base, *, rank: int, layers: int = 1) -> nn.Module:
    """The base with every trainable part moved, as tuning would."""
    model = adapter.adapted(base.model, base.task, TuneConfig(rank=rank, layers=layers), seed=1)
    torch.manual_seed(4)
    with torch.no_grad():
        for part in _trainable(model).values():
            part.add_(0.05 * torch.randn_like(part))
    return model.eval()


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: part for name, part in model.named_parameters() if part.requires_grad}


def _features(base: Base, pairs: list[Pair]) -> Tensor:
    return read_all(base.reader().features, base.encode(pairs), batch_size=5)


@_RANKS
def test_only_the_top_layer_learns(new_base: NewBase, rank: int) -> None:
    """Of two layers the upper is open to learning; the lower, embeddings, final norm and heads are not."""
    base = new_base()
    names = list(_trainable(adapter.adapted(base.model, base.task, TuneConfig(rank=rank, layers=1), seed=1)))
    assert names
    assert all(".layer.1." in name or ".layers.1." in name for name in names)
    assert all("lora_" in name for name in names) == bool(rank)


@_RANKS
def test_the_top_layer_of_a_t5_is_its_last_block(rank: int) -> None:
    """T5 numbers attention and feed-forward inside of a block too; these numbers are no layers."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    model = adapter.adapted(T5EncoderModel(config), "FEATURE_EXTRACTION", TuneConfig(rank=rank, layers=1), seed=1)
    names = list(_trainable(model))
    assert all(".block.1." in name for name in names)
    assert {part for name in names for part in ("SelfAttention", "DenseReluDense") if part in name} == {
        "SelfAttention",
        "DenseReluDense",
    }


@_RANKS
def test_more_layers_than_there_are_means_all(new_base: NewBase, rank: int) -> None:
    """Eight layers of a two-layer base are its two, and still nothing outside them."""
    base = new_base()
    names = list(_trainable(adapter.adapted(base.model, base.task, TuneConfig(rank=rank, layers=8), seed=1)))
    numbers = {number for name in names for number in ("0", "1") if f".{number}." in name}
    assert numbers == {"0", "1"}
    assert all(".layer." in name or ".layers." in name for name in names)


@_RANKS
def test_the_model_starts_as_its_base(new_base: NewBase, pairs: list[Pair], rank: int) -> None:
    """Nothing changes before the first step."""
    base = new_base()
    before = _features(base, pairs[:8])
    adapter.adapted(base.model, base.task, TuneConfig(rank=rank, layers=1), seed=1)
    torch.testing.assert_close(_features(base, pairs[:8]), before)


@_RANKS
def test_what_was_saved_gives_the_tuned_model(new_base: NewBase, pairs: list[Pair], tmp_path: Path, rank: int) -> None:
    """A fresh base with the folder merged reads as the tuned model does, within half precision."""
    base = new_base()
    before = _features(base, pairs)
    model = _tuned(base, rank=rank)
    tuned = _features(base, pairs)
    assert (tuned - before).abs().max() > 0.02
    adapter.save(model, tmp_path, base="base")
    fresh = new_base()
    merged = adapter.merge(fresh.model, tmp_path)
    assert merged.dtype is torch.float32
    assert type(merged) is type(fresh.model)
    torch.testing.assert_close(_features(fresh, pairs), tuned, atol=5e-3, rtol=5e-3)


@_RANKS
def test_the_file_holds_what_was_tuned_and_no_more(new_base: NewBase, tmp_path: Path, rank: int) -> None:
    """Two bytes a tuned number and a short header: the base stays where it is."""
    model = _tuned(new_base(), rank=rank)
    tuned = _trainable(model)
    adapter.save(model, tmp_path, base="base")
    size = (tmp_path / adapter.WEIGHTS).stat().st_size
    numbers = sum(part.numel() for part in tuned.values())
    assert 2 * numbers < size < 2 * numbers + 200 * len(tuned) + 500
    assert size < sum(part.numel() for part in model.parameters())  # half of the base in half precision


def test_adapters_start_alike_for_one_seed(new_base: NewBase) -> None:
    """The seed decides the random half of each adapter."""

    def fresh(seed: int) -> dict[str, nn.Parameter]:
        base = new_base()
        return _trainable(adapter.adapted(base.model, base.task, TuneConfig(rank=2, layers=1), seed=seed))

    first, again, other = fresh(1), fresh(1), fresh(2)
    random_half = [name for name in first if "lora_A" in name]
    assert random_half
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in random_half)


@_RANKS
def test_what_was_tuned_on_another_base_is_refused(new_base: NewBase, rank: int, tmp_path: Path) -> None:
    """Its weights have other sizes; the error names the folder."""
    base = new_base()
    adapter.save(_tuned(base, rank=rank), tmp_path, base="tiny")
    sizes = {"hidden_size": 64, "intermediate_size": 32}
    other = type(base.model)(type(base.model.config).from_dict(base.model.config.to_dict() | sizes))
    with pytest.raises(ModelError, match=r"cannot be loaded \(.*; run `relsearch tune` on this base again"):
        adapter.merge(other, tmp_path)
