"""States as they are: those of the whole model, read in any company, kept for a cut run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from relsearch.core.errors import ModelError
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import Pair, Scale
from relsearch.judge.models import frozen
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.prompt import Tokens, load_prompt

_OTHERS: dict[str, tuple[Any, Any]] = {
    "keeps its layers elsewhere": (GPT2LMHeadModel, GPT2Config),
    "norms what comes out": (GPTNeoXForCausalLM, GPTNeoXConfig),
    "scales what comes in": (GraniteForCausalLM, partial(GraniteConfig, embedding_multiplier=12.0)),
}


@pytest.fixture
def base(judge_config: JudgeConfig, scale: Scale) -> Base:
    """A tiny Llama of four layers, read as it is."""
    found = load_base(judge_config, load_prompt("graded"), scale, dtype=torch.float32)
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**{**found.model.config.to_dict(), "num_hidden_layers": 4}))
    return replace(found, model=model.eval(), frozen=True)


@pytest.fixture
def gemma(base: Base) -> Base:
    """A tiny Gemma 3: its sixth block, and no other, sees all tokens and turns positions slower."""
    torch.manual_seed(1)
    config = Gemma3TextConfig(
        vocab_size=len(base.tokenizer),
        hidden_size=32,
        num_hidden_layers=8,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=64,
        initializer_range=0.2,
    )
    return replace(base, model=Gemma3ForCausalLM(config).eval())


def test_each_layer_is_read_as_what_it_is(gemma: Base, pairs: list[Pair]) -> None:
    """A part of the layers keeps what each one attends to."""
    (row,) = tokens = gemma.encode(pairs[:1])
    states = gemma.model.model(torch.tensor([[*row.prefix, *row.rest]]), output_hidden_states=True).hidden_states
    found = gemma.reader().features(tokens)[0].view(4, -1)
    for state, depth in zip(found[::2], (4, 6), strict=True):
        torch.testing.assert_close(state, states[depth][0, -1], atol=1e-3, rtol=1e-3)


def test_features_are_states_of_the_whole_model(base: Base, pairs: list[Pair]) -> None:
    """Of either depth the last token's, and the mean over the query where it stands behind the document."""
    tokens = base.encode(pairs[:5])
    found = read_all(base.reader().features, tokens, batch_size=3)
    assert found.shape == (5, base.reader().width)
    for row, features in zip(tokens, found, strict=True):
        ids = [*row.prefix, *row.rest]
        start, stop = (len(row.prefix) + place for place in row.query)
        assert str(base.tokenizer.decode(ids[start:stop])).strip() == pairs[0].query
        states = base.model.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        wanted = [part for each in (states[2][0], states[3][0]) for part in (each[-1], each[start:stop].mean(dim=0))]
        torch.testing.assert_close(features, torch.cat(wanted), atol=1e-4, rtol=1e-4)


def test_a_prompt_without_the_query_at_its_end_gives_means_of_all(base: Base, pairs: list[Pair]) -> None:
    """Where it stands before the document alone, document and ending have read it."""
    tokens = [replace(row, query=(0, 0)) for row in base.encode(pairs[:5])]
    found = base.reader().features(tokens[:1])
    assert torch.isfinite(found).all()
    assert not torch.equal(found, base.reader().features(base.encode(pairs[:1])))


def test_a_cut_reading_goes_on(base: Base, pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before is not read again."""
    tokens = base.encode(pairs)
    whole = base.kept_reader(tokens, batch_size=2, folder=tmp_path / "whole").features(tokens)
    read: list[int] = []

    class Cut(frozen.FrozenReader):
        def features(self, tokens: Sequence[Tokens]) -> torch.Tensor:
            if len(read) == 3:
                raise KeyboardInterrupt
            read.append(len(tokens))
            return super().features(tokens)

    monkeypatch.setattr(frozen, "FrozenReader", Cut)
    with pytest.raises(KeyboardInterrupt):
        base.kept_reader(tokens, batch_size=2, folder=tmp_path / "cut")
    monkeypatch.undo()
    counted: list[int] = []
    features = frozen.FrozenReader.features

    def counting(self: frozen.FrozenReader, rows: Sequence[Tokens]) -> torch.Tensor:
        counted.append(len(rows))
        return features(self, rows)

    monkeypatch.setattr(frozen.FrozenReader, "features", counting)
    again = base.kept_reader(tokens, batch_size=2, folder=tmp_path / "cut").features(tokens)
    torch.testing.assert_close(again, whole, atol=1e-5, rtol=1e-5)
    assert sum(counted) == len(set(tokens)) - sum(read) < len(set(tokens))


@pytest.mark.parametrize(("batch_size", "dtype"), [(4, torch.float32), (2, torch.bfloat16)])
def test_a_reading_goes_on_as_it_began_alone(
    base: Base,
    pairs: list[Pair],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    dtype: torch.dtype,
) -> None:
    """In batches of another size, or in another precision, all is read again."""
    tokens, features = base.encode(pairs), frozen.FrozenReader.features
    read: list[int] = []

    def cut(self: frozen.FrozenReader, rows: Sequence[Tokens]) -> torch.Tensor:
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(len(rows))
        return features(self, rows)

    monkeypatch.setattr(frozen.FrozenReader, "features", cut)
    with pytest.raises(KeyboardInterrupt):
        base.kept_reader(tokens, batch_size=2, folder=tmp_path / "cut")
    monkeypatch.undo()
    torch.nn.Module.to(base.model, dtype)
    found, whole = (
        base.kept_reader(tokens, batch_size=batch_size, folder=tmp_path / name).features(tokens)
        for name in ("cut", "whole")
    )
    assert torch.equal(found, whole)


@pytest.mark.parametrize("other", _OTHERS)
def test_a_base_that_cannot_be_read_so_is_refused(tiny_llama: Path, scale: Scale, tmp_path: Path, other: str) -> None:
    """GPT-2 keeps its layers elsewhere, others do more to states than its layers; the error says what to set."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.save_pretrained(tmp_path)
    model, config = _OTHERS[other]
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    model(config(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path)
    config = JudgeConfig(base=str(tmp_path), prompt="plain")
    with pytest.raises(ModelError, match=r"set \[judge\] base to an LLM that is built as Llama is"):
        load_base(config, load_prompt(config.prompt), scale, dtype=torch.float32, frozen=True)
