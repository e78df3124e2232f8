"""Ways of judging the same pairs, from the naive one to relsearch's, one ingredient after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.judges.speed.full_prompts import FullPromptReader, in_order
from benchmarks.rounds import Seconds, faster, rate
from relsearch.core.settings.config import JudgeConfig, TuneConfig
from relsearch.core.types import Pair, Scale
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.models import adapter
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.causal import CausalReader
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.label_tokens import label_tokens
from relsearch.judge.models.prompt import Tokens, load_prompt

NAIVE = "naive: float32, LoRA beside the weights"
MERGED = "+ adapter merged"
LABEL_ROWS = "+ logits of the grades alone"
SHARED = "+ query prefix read once"
SORTED = "+ batches of like length"
BFLOAT16 = "+ bfloat16"
ALL_LAYERS = 10_000
HOUR_S = 3600.0
TOLERANCE = 1e-3
# bfloat16 keeps 8 bits: not held to the tolerance, but to being the same model's answer at all.
BFLOAT16_TOLERANCE = 1.0
Way = Callable[[], Tensor]


def load(config: JudgeConfig, scale: Scale, *, dtype: torch.dtype = torch.float32) -> Base:
    """Return the judge's base."""
    return load_base(config, load_prompt(config.prompt), scale, dtype=dtype)


def adapter_folder(config: JudgeConfig, scale: Scale, folder: Path, *, seed: int) -> Path:
    """Write an adapter of rank 16 on every linear layer, its weights random instead of the zeros it starts from."""
    base = load(config, scale)
    model = adapter.adapted(base.model, base.task, TuneConfig(layers=ALL_LAYERS), seed=seed)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.002)
    adapter.save(model, folder, base=config.base)
    return folder


def unmerged(config: JudgeConfig, scale: Scale, folder: Path) -> Base:
    """Return the base with the folder's adapter, not merged into its weights."""
    from peft import PeftModel

    base = load(config, scale)
    PeftModel.from_pretrained(base.model, folder)  # puts the adapter into the base's own layers
    return base


def merged(config: JudgeConfig, scale: Scale, folder: Path, *, dtype: torch.dtype) -> Base:
    """Return the base as a tuned judge has it: the adapter merged in float32, then in `dtype`."""
    base = load(config, scale)
    model = adapter.merge(base.model, folder).eval()
    nn.Module.to(model, dtype)  # transformers' own `to` is typed as if it took no model
    return replace(base, model=model)


def llm_ways(config: JudgeConfig, scale: Scale, pairs: Sequence[Pair], folder: Path) -> dict[str, Way]:
    """Return every way of computing the pairs' grade logits with a causal model, shape [n, grades]."""
    separate, base = unmerged(config, scale, folder), merged(config, scale, folder, dtype=torch.float32)
    tokens = base.encode(pairs)
    labels = list(label_tokens(base.tokenizer, scale))
    padding, size = base.tokenizer.pad_token_id or 0, config.batch_size
    naive, full = (FullPromptReader(each.model, padding=padding) for each in (separate, base))
    ways: dict[str, Way] = {
        NAIVE: lambda: in_order(naive.last_logits, tokens, batch_size=size)[:, labels],
        MERGED: lambda: in_order(full.last_logits, tokens, batch_size=size)[:, labels],
        LABEL_ROWS: lambda: in_order(_grades_only(base, full.last_states, labels), tokens, batch_size=size),
        SHARED: lambda: _by_query(grade_logits(base, labels), tokens, batch_size=size),
        SORTED: lambda: read_all(grade_logits(base, labels), tokens, batch_size=size),
    }
    if fast_dtype() is torch.bfloat16:
        fast = merged(config, scale, folder, dtype=torch.bfloat16)
        ways[BFLOAT16] = lambda: read_all(grade_logits(fast, labels), tokens, batch_size=size)
    return ways


def encoder_ways(config: JudgeConfig, scale: Scale, pairs: Sequence[Pair], folder: Path) -> dict[str, Way]:
    """Return every way of computing the pairs' features with an encoder: it shares no prefix and has no logits."""
    separate, base = unmerged(config, scale, folder), merged(config, scale, folder, dtype=torch.float32)
    tokens, size = base.encode(pairs), config.batch_size
    ways: dict[str, Way] = {
        NAIVE: lambda: in_order(separate.reader().features, tokens, batch_size=size),
        MERGED: lambda: in_order(base.reader().features, tokens, batch_size=size),
        SORTED: lambda: read_all(base.reader().features, tokens, batch_size=size),
    }
    if fast_dtype() is torch.bfloat16:
        fast = merged(config, scale, folder, dtype=torch.bfloat16)
        ways[BFLOAT16] = lambda: read_all(fast.reader().features, tokens, batch_size=size)
    return ways


def check_same(ways: dict[str, Way]) -> None:
    """Run each way once; raise AssertionError where one computes something else than the naive one."""
    wanted = ways[NAIVE]()
    for name, way in ways.items():
        tolerance = BFLOAT16_TOLERANCE if name == BFLOAT16 else TOLERANCE
        try:
            torch.testing.assert_close(way(), wanted, atol=tolerance, rtol=TOLERANCE)
        except AssertionError as exc:
            raise AssertionError(f"{name!r} computes something else: {exc}") from exc


def steps(seconds: Seconds, *, pairs: int) -> list[dict[str, Any]]:
    """Return one row a way: labels an hour, and how many times as fast as the naive one."""
    return [
        {
            "name": name,
            "labels_per_hour": rate(pairs, each, per_s=HOUR_S),
            "ratio_to_naive": faster(seconds[NAIVE], each),
        }
        for name, each in seconds.items()
    ]


def bfloat16_agreement(config: JudgeConfig, scale: Scale, pairs: Sequence[Pair], folder: Path) -> dict[str, Any]:
    """Return the share of pairs graded alike in float32 and bfloat16.

    `equal` compares the likeliest grades; `equal_cut` the expected grades, cut where float32's fall into equal
    parts, as a tuned judge cuts its scores, so that every grade is given.
    """
    expected, likeliest = [], []
    for dtype in (torch.float32, torch.bfloat16):
        base = merged(config, scale, folder, dtype=dtype)
        read = grade_logits(base, list(label_tokens(base.tokenizer, scale)))
        rows = read_all(read, base.encode(pairs), batch_size=config.batch_size).double().softmax(dim=1).numpy()
        expected.append(rows @ np.asarray(scale.grades, dtype=np.float64))
        likeliest.append(rows.argmax(axis=1))
    cuts = np.quantile(expected[0], np.arange(1, len(scale.names)) / len(scale.names))
    cut = [np.searchsorted(cuts, each) for each in expected]
    return {
        "pairs": len(pairs),
        "equal": round(float((likeliest[0] == likeliest[1]).mean()), 4),
        "equal_cut": round(float((cut[0] == cut[1]).mean()), 4),
        "likeliest_grades": len(set(likeliest[0].tolist())),
    }


def grade_logits(base: Base, labels: Sequence[int]) -> Callable[[Sequence[Tokens]], Tensor]:
    """Return what computes the grades' logits of pairs that share one prefix, as relsearch's judge does."""
    return _grades_only(base, CausalReader(base.model).last_states, labels)


def _grades_only(
    base: Base, last_states: Callable[[Sequence[Tokens]], Tensor], labels: Sequence[int]
) -> Callable[[Sequence[Tokens]], Tensor]:
    output = base.model.get_output_embeddings().weight[list(labels)].float()
    return lambda tokens: last_states(tokens).float() @ output.T


def _by_query(read: Callable[[Sequence[Tokens]], Tensor], tokens: Sequence[Tokens], *, batch_size: int) -> Tensor:
    groups = [list(rows) for _, rows in groupby(tokens, key=lambda row: row.prefix)]
    return torch.cat([in_order(read, rows, batch_size=batch_size) for rows in groups])
