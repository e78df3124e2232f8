"""The tuning loop: transformers' Trainer over lists of one query each, with checkpoints and a time limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from relsearch.core.settings.config import TuneConfig
from relsearch.encoders.checkpoints import last_checkpoint
from relsearch.encoders.model_source import quiet
from relsearch.encoders.shared_steps import DecideTogether, shared_steps, sharing
from relsearch.encoders.trainer_progress import ShowProgress, logged
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.models.base import Reader
from relsearch.judge.models.prompt import Tokens
from relsearch.judge.tuning.loss import cumulative_loss, listwise_loss

_LOG = logging.getLogger(__name__)
_BEST_BY = "log_likelihood"
_PART = 8  # documents of a step that are read together


@dataclass(frozen=True, slots=True)
class Step:
    """The documents of one query that are compared with each other; `known` has their retrieval features' scores."""

    tokens: tuple[Tokens, ...]
    known: tuple[float, ...]
    levels: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def token_count(self) -> int:
        """Tokens that the model reads in this step: the shared prefix once, then each document."""
        return len(self.tokens[0].prefix) + sum(len(row.rest) for row in self.tokens)


class Tuned(NamedTuple):
    """What a run did: its steps, then the dev log-likelihood and the training loss by step.

    The latter two have the steps before an interruption as well; a loss is the mean since the one before it.
    """

    steps: int
    history: list[tuple[int, float]]
    losses: list[tuple[int, float]]


class TunedModel(nn.Module):
    """Model with adapter, and head; its state is only what is trained, so checkpoints stay small."""

    model: nn.Module
    head: OrdinalHead

    def __init__(self, model: nn.Module, head: OrdinalHead, reader: Reader) -> None:
        super().__init__()
        self.model = model
        self.head = head
        self.reader = reader

    def forward(self, step: Step) -> Tensor:
        """Return the scores of the step's documents, read in parts of like length so that little is padding."""
        order = sorted(range(len(step.tokens)), key=lambda row: len(step.tokens[row].rest))
        parts = [order[start : start + _PART] for start in range(0, len(order), _PART)]
        features = torch.cat([self.reader.features([step.tokens[row] for row in part]) for part in parts])
        features = features[torch.tensor(order, device=features.device).argsort()]
        scores: Tensor = self.head(features, torch.tensor(step.known, device=features.device))
        return scores

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # torch has overloads
        """Return the trained parameters only."""
        trained = self._trained()
        return {name: value for name, value in super().state_dict(*args, **kwargs).items() if name in trained}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load the trained parameters; the frozen ones are not in a checkpoint, and so are not missing."""
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        trained = self._trained()
        return type(found)([name for name in found.missing_keys if name in trained], found.unexpected_keys)

    def _trained(self) -> set[str]:
        return {name for name, parameter in self.named_parameters() if parameter.requires_grad}


class JudgeTrainer(Trainer):
    """Trainer with the judge's loss; `evaluate_dev` measures the model on dev pairs."""

    def __init__(
        self,
        *,
        evaluate_dev: Callable[[], Mapping[str, float | None]],
        thresholds: Tensor,
        config: TuneConfig,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._evaluate_dev = evaluate_dev
        self._thresholds = thresholds
        self._config = config

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss of one list."""
        step: Step = inputs["step"]
        scores = model(step)
        levels = torch.tensor(step.levels, device=scores.device)
        weights = torch.tensor(step.weights, device=scores.device)
        loss = cumulative_loss(scores, self._thresholds, levels, weights)
        loss = loss + self._config.listwise_weight * listwise_loss(scores, levels)
        return (loss, {"scores": scores}) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Return and log the dev figures."""
        if self.model is not None:
            self.model.eval()  # an encoder's dropout would blur the figures; Trainer turns it on again
        figures = {f"eval_{name}": value for name, value in self._evaluate_dev().items()}
        self.log({name: value for name, value in figures.items() if value is not None})
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, figures)
        return figures


class LogFigures(TrainerCallback):
    """Sends the loop's figures to the log; Trainer's own callback prints them."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write one line a report."""
        figures = " ".join(f"{name}={value:.4g}" for name, value in (logs or {}).items())
        _LOG.info("tune step %d: %s", state.global_step, figures)


class StopAfter(TrainerCallback):
    """Ends tuning after some minutes, with a last evaluation and checkpoint; `first_step` is where this run began."""

    def __init__(self, minutes: float) -> None:
        self._minutes = minutes
        self._start = time.monotonic()
        self.first_step = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock."""
        self._start = time.monotonic()
        self.first_step = state.global_step

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop when time is up."""
        if time.monotonic() - self._start > 60 * self._minutes:
            control.should_evaluate = control.should_save = control.should_training_stop = True


def run(
    model: TunedModel,
    steps: Sequence[Step],
    *,
    config: TuneConfig,
    seed: int,
    evaluate_dev: Callable[[], Mapping[str, float | None]],
    folder: Path,
) -> Tuned:
    """Tune the model in place, leave it at its best evaluation, return what was done.

    Goes on from the last checkpoint in `folder`, if there is one.
    """
    clock = StopAfter(config.minutes)
    trainer = JudgeTrainer(
        evaluate_dev=evaluate_dev,
        thresholds=model.head.thresholds,
        config=config,
        model=model,
        args=_arguments(len(steps), config=config, seed=seed, folder=folder),
        train_dataset=[{"step": step} for step in steps],
        eval_dataset=[{"step": step} for step in steps[:1]],  # asked for by Trainer; `evaluate_dev` has its own
        data_collator=lambda items: items[0],
        optimizers=(_optimizer(model, config), None),
        callbacks=[clock, LogFigures(), ShowProgress("tune"), DecideTogether()],
    )
    trainer.remove_callback(PrinterCallback)
    with quiet(), sharing():  # each checkpoint that is written would show a bar of its own
        trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    history, losses = (logged(trainer, name) for name in (f"eval_{_BEST_BY}", "loss"))
    return Tuned(trainer.state.global_step - clock.first_step, history, losses)


def _arguments(lists: int, *, config: TuneConfig, seed: int, folder: Path) -> TrainingArguments:
    every = max(1, int(lists * config.epochs) // config.lists_per_step // config.evaluations)
    return TrainingArguments(
        output_dir=str(folder),
        **shared_steps(config.lists_per_step, section="tune"),
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.05,  # of all steps
        max_grad_norm=1.0,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        load_best_model_at_end=True,
        metric_for_best_model=_BEST_BY,
        greater_is_better=True,
        logging_steps=max(1, every // 4),
        report_to=[],
        disable_tqdm=True,  # ShowProgress has a bar that a plain log shows, too
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        seed=seed,
    )


def _optimizer(model: TunedModel, config: TuneConfig) -> torch.optim.Optimizer:
    adapters = [parameter for parameter in model.model.parameters() if parameter.requires_grad]
    groups = [
        {"params": adapters, "lr": config.learning_rate},
        {"params": list(model.head.parameters()), "lr": config.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.0)
