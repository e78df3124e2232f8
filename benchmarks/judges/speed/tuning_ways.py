"""Optimiser steps on the same documents, the naive way and relsearch's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.judges.speed.full_prompts import FullPromptReader
from benchmarks.judges.speed.judging_ways import ALL_LAYERS, TOLERANCE, load
from benchmarks.judges.speed.prompt_lengths import full_length
from benchmarks.rounds import Seconds, faster, rate
from relsearch.core.settings.config import JudgeConfig, TuneConfig
from relsearch.core.types import Pair, Scale
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.models import adapter
from relsearch.judge.models.base import Base, Reader
from relsearch.judge.models.prompt import Tokens
from relsearch.judge.tuning.loss import cumulative_loss, listwise_loss
from relsearch.judge.tuning.trainer import Step, TunedModel
from relsearch.stats.ordinal import CumulativeLink

BEFORE, STATES, AFTER = "before", "states", "after"


class NaiveModel(TunedModel):
    """Reads all documents of a step at once, in the order given."""

    def forward(self, step: Step) -> Tensor:
        """Return the scores of the step's documents."""
        features = self.reader.features(step.tokens)
        scores: Tensor = self.head(features, torch.tensor(step.known, device=features.device))
        return scores


class Ways:
    """Both models, ready to be timed; kept states go to a new folder each time that they are computed."""

    def __init__(
        self, config: JudgeConfig, scale: Scale, steps: Sequence[Step], *, layers: int, folder: Path, dtype: torch.dtype
    ) -> None:
        self._steps = steps
        self._tokens = [row for step in steps for row in step.tokens]
        self._layers = layers
        self._folder = folder
        naive, self._base = load(config, scale), load(config, scale, dtype=dtype)
        self._before = NaiveModel(_adapted(naive, ALL_LAYERS), _head(naive, scale), full_reader(naive))
        model = _adapted(self._base, layers)
        self._after = TunedModel(model, _head(self._base, scale), self._kept())
        self._optimizers = {model: _optimizer(model, config=TuneConfig()) for model in (self._before, self._after)}

    def timed(self) -> dict[str, Callable[[], object]]:
        """Return what is timed: steps the naive way, the frozen states, steps relsearch's way."""
        return {
            BEFORE: lambda: self._train(self._before),
            STATES: self._compute_states,
            AFTER: lambda: self._train(self._after),
        }

    def check_same(self) -> None:
        """Raise AssertionError where features or scores differ; adapters start as zeros, so no depth changes them."""
        with torch.no_grad():
            for step in self._steps:
                found, wanted = (
                    model.eval().reader.features(step.tokens).float() for model in (self._after, self._before)
                )
                torch.testing.assert_close(found, wanted, atol=TOLERANCE, rtol=TOLERANCE)
                scores = [model(step) for model in (self._after, self._before)]
                torch.testing.assert_close(*scores, atol=TOLERANCE, rtol=TOLERANCE)

    def _compute_states(self) -> None:
        self._after.eval()  # as when tuning begins: what is kept is without dropout
        self._after.reader = self._kept()

    def _kept(self) -> Reader:
        shutil.rmtree(self._folder, ignore_errors=True)  # else states found there would be reused
        return self._base.tuning_reader(self._tokens, tuned_layers=self._layers, folder=self._folder)

    def _train(self, model: TunedModel) -> None:
        optimizer = self._optimizers[model]
        model.train()
        for step in self._steps:
            scores = model(step)
            levels, weights = (torch.tensor(each, device=scores.device) for each in (step.levels, step.weights))
            loss = cumulative_loss(scores, model.head.thresholds, levels, weights) + listwise_loss(scores, levels)
            loss.backward()
            nn.utils.clip_grad_norm_([each for each in model.parameters() if each.requires_grad], 1.0)
            optimizer.step()
            optimizer.zero_grad()


def full_reader(base: Base) -> Reader:
    """Return a reader of full prompts; an encoder's own reads them so."""
    if base.task != "CAUSAL_LM":
        return base.reader()
    return FullPromptReader(base.model, padding=base.tokenizer.pad_token_id or 0)


def steps_of(pairs: Sequence[Pair], tokens: Sequence[Tokens], scale: Scale) -> list[Step]:
    """Return one step a query; grades take turns, as speed does not depend on them."""
    rows: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        rows.setdefault(pair.query_id, []).append(row)
    grades = len(scale.names)
    return [
        Step(
            tokens=tuple(tokens[row] for row in step),
            known=tuple(row % 7 / 7 for row in step),
            levels=tuple(row % grades for row in step),
            weights=(1.0,) * len(step),
        )
        for step in rows.values()
    ]


def checked_ways(config: JudgeConfig, scale: Scale, steps: Sequence[Step], *, layers: int, folder: Path) -> Ways:
    """Return both ways in the dtypes that they take: float32, and the fastest here.

    Raise AssertionError where, in float32, the two ways compute different things.
    """
    exact = Ways(config, scale, steps, layers=layers, folder=folder, dtype=torch.float32)
    exact.check_same()
    if fast_dtype() is torch.float32:
        return exact
    return Ways(config, scale, steps, layers=layers, folder=folder, dtype=fast_dtype())


def tokens_per_s(seconds: Seconds, steps: Sequence[Step]) -> dict[str, Any]:
    """Return tokens a second, counted alike for both ways: those of the full prompts, without padding."""
    tokens = sum(full_length(row) for step in steps for row in step.tokens)
    spent = {AFTER: seconds[AFTER]}
    for epochs, name in ((1, "with_states_1_epoch"), (3, "with_states_3_epochs")):
        both = zip(seconds[STATES], seconds[AFTER], strict=True)
        spent[f"after_{name}"] = [once / epochs + each for once, each in both]
    ratios = {name.replace("after", "ratio"): faster(seconds[BEFORE], each) for name, each in spent.items()}
    return {
        BEFORE: rate(tokens, seconds[BEFORE]),
        **{name: rate(tokens, each) for name, each in spent.items()},
        **ratios,
        "tokens": tokens,
        "optimiser_steps": len(steps),
    }


def _adapted(base: Base, layers: int) -> nn.Module:
    return adapter.adapted(base.model, base.task, TuneConfig(layers=layers), seed=0)


def _head(base: Base, scale: Scale) -> OrdinalHead:
    """A head whose weights are not the zeros that it starts from, so that gradients reach the adapters."""
    thresholds = tuple(float(grade) for grade in range(1, len(scale.names)))
    head = OrdinalHead(CumulativeLink(mean=0.5, deviation=0.3, slope=1.0, thresholds=thresholds), base.reader().width)
    torch.manual_seed(0)
    nn.init.normal_(head.added.weight, std=0.01)
    return head.to(base.model.device)


def _optimizer(model: TunedModel, *, config: TuneConfig) -> torch.optim.Optimizer:
    trained = [each for each in model.parameters() if each.requires_grad]
    return torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=0.0)
