"""The optimisation itself: sentence-transformers' trainer with our loss, looks at dev, and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from relsearch.core.settings.config import TrainConfig
from relsearch.encoders.loading import HEAD
from relsearch.encoders.model_source import quiet
from relsearch.rerank.cross.loss import Objective, ResidualListLoss
from relsearch.rerank.training.callbacks import KeepBest
from relsearch.rerank.training.dev import DevEvaluator, DevSet

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

CHECKPOINTS = "checkpoints"
WEIGHT_DECAY = 0.01
_WARM_UP = 0.1  # of all steps, over which the learning rate rises
_CPU_MICRO_BATCH = 4  # sorted by length: 1.5 x the speed of one padded batch of 16 on two cores


class Fitted(NamedTuple):
    """What a training did: its steps, and the training loss by step, each the mean since the one before it."""

    steps: int
    losses: tuple[tuple[int, float], ...]


def fit(
    model: CrossEncoder,
    rows: list[dict[str, Any]],
    dev: DevSet,
    *,
    objective: Objective,
    keep: KeepBest,
    config: TrainConfig,
    seed: int,
    output: Path,
    head: str = HEAD,
) -> Fitted:
    """Train for one pass over the rows, each a list; return what was done. Resumes from the last checkpoint.

    `head` is a pattern of the parameters that learn `[train] head_multiple` times as fast.
    """
    from datasets import Dataset
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments

    arguments = CrossEncoderTrainingArguments(
        **schedule(len(rows), config, seed=seed, output=output),
        learning_rate=config.learning_rate,
        learning_rate_mapping={head: config.learning_rate * config.head_multiple},
        weight_decay=WEIGHT_DECAY,
        bf16=_has_bf16(),
    )
    trainer = CrossEncoderTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        loss=ResidualListLoss(
            model, objective, micro_batch=_CPU_MICRO_BATCH if arguments.use_cpu else config.documents_per_query
        ),
        evaluator=DevEvaluator(dev),
        callbacks=[keep],
    )
    return run(trainer, output)


def schedule(lists: int, config: TrainConfig, *, seed: int, output: Path) -> dict[str, Any]:
    """Return the training arguments of one pass over so many lists, with looks and checkpoints between steps."""
    import torch

    from relsearch.encoders.shared_steps import shared_steps

    every = max(1, lists // config.lists_per_step // config.evaluations)
    return {
        "output_dir": str(output / CHECKPOINTS),
        **shared_steps(config.lists_per_step, section="train"),
        "num_train_epochs": 1,
        "warmup_steps": _WARM_UP,
        "use_cpu": not torch.cuda.is_available(),
        "eval_strategy": "steps",
        "eval_steps": every,
        "eval_on_start": True,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 1,
        "logging_steps": max(1, every // 4),
        "report_to": "none",
        "seed": seed,
        "disable_tqdm": True,  # ShowProgress has a bar that a plain log shows, too
    }


def run(trainer: Any, output: Path) -> Fitted:
    """Train, from the last checkpoint where there is one; return what was done."""
    from transformers import PrinterCallback

    from relsearch.encoders.checkpoints import last_checkpoint
    from relsearch.encoders.shared_steps import DecideTogether, sharing
    from relsearch.encoders.trainer_progress import ShowProgress, logged

    trainer.remove_callback(PrinterCallback)  # it would write to stdout
    trainer.add_callback(ShowProgress("train"))
    trainer.add_callback(DecideTogether())
    with quiet(), sharing():  # each checkpoint that is written would show a bar of its own
        trainer.train(resume_from_checkpoint=last_checkpoint(output / CHECKPOINTS))
    losses = tuple((step, round(loss, 6)) for step, loss in logged(trainer, "loss"))
    return Fitted(int(trainer.state.global_step), losses)


def _has_bf16() -> bool:
    """Whether bf16 autocast pays: on a GPU that has it, or on a CPU with AVX512-BF16."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())
