"""The optimisation of a late-interaction model: transformers' trainer, one query's documents at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

from relsearch.core.settings.config import TrainConfig
from relsearch.rerank.cross.fit import WEIGHT_DECAY, Fitted, run, schedule
from relsearch.rerank.cross.loss import graded
from relsearch.rerank.late.model import LateModel
from relsearch.rerank.training.callbacks import KeepBest
from relsearch.rerank.training.dev import METRIC


@dataclass(frozen=True, slots=True)
class Step:
    """The documents of one query that are compared with each other: a training list."""

    query: str
    documents: tuple[str, ...]
    gains: tuple[float, ...]
    weights: tuple[float, ...]


class LateTrainer(Trainer):
    """Trainer with the graded loss; `look` measures the model on dev queries."""

    def __init__(self, *, look: Callable[[], float], config: TrainConfig, **options: Any) -> None:
        super().__init__(**options)
        self._look = look
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
        scores = model(step.query, step.documents)
        gains, weights = (torch.tensor(each, device=scores.device) for each in (step.gains, step.weights))
        config = self._config
        loss = graded(scores, gains, weights, listwise=config.listwise_weight, pointwise=config.pointwise_weight)
        return (loss, {"scores": scores}) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the dev measure."""
        figures = {f"eval_{METRIC}": self._look()}
        self.log(dict(figures))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, figures)
        return figures


def fit_late(
    model: LateModel,
    steps: Sequence[Step],
    *,
    look: Callable[[], float],
    keep: KeepBest,
    config: TrainConfig,
    seed: int,
    output: Path,
) -> Fitted:
    """Train for one pass over the steps; return what was done. Resumes from the last checkpoint."""
    arguments = TrainingArguments(**schedule(len(steps), config, seed=seed, output=output), remove_unused_columns=False)
    trainer = LateTrainer(
        look=look,
        config=config,
        model=model,
        args=arguments,
        train_dataset=list(steps),
        eval_dataset=[],
        data_collator=_single,
        optimizers=(_optimizer(model, config), None),
        callbacks=[keep],
    )
    return run(trainer, output)


def _single(steps: Sequence[Step]) -> Mapping[str, Step]:
    return {"step": steps[0]}


def _optimizer(model: LateModel, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; the word embeddings stand still, since a few lists show few of the words, and so does a pooler, unused."""
    for part in (model.encoder.get_input_embeddings(), getattr(model.encoder, "pooler", None)):
        if part is not None:
            part.requires_grad_(False)
    body = [parameter for parameter in model.encoder.parameters() if parameter.requires_grad]
    head = [model.projection.weight, model.weights, model.bias]
    rate = config.learning_rate
    groups = [{"params": body, "lr": rate}, {"params": head, "lr": rate * config.head_multiple}]
    return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
