"""Cross-encoders trained in other ways than `train`: another start, loss or pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from relsearch.core.settings.config import Config, TrainConfig
from relsearch.core.types import Pair
from relsearch.encoders.encoder import Encoder, load_encoder
from relsearch.encoders.loading import HEAD
from relsearch.pipeline.stages.inputs import Artefacts, Pools
from relsearch.pipeline.stages.training import human_examples
from relsearch.rerank.card import Evaluation
from relsearch.rerank.cross.fit import fit
from relsearch.rerank.cross.loss import Objective, graded
from relsearch.rerank.cross.prior import Prior
from relsearch.rerank.cross.start import load_start
from relsearch.rerank.cross.torch_scorer import load_model, residuals
from relsearch.rerank.cross.train import rows_of
from relsearch.rerank.training.callbacks import BEST, KeepBest
from relsearch.rerank.training.job import Texts, dev_set_of
from relsearch.rerank.training.lists import build_lists

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

MAX_LENGTH = 160
_MEAN_HEAD = r"(^|\.)2\.linear\."


@dataclass(frozen=True)
class ByHand:
    """One way to train a cross-encoder on a pipeline's collection, for its `[train]` minutes.

    `prior`: whether the scores start at the base's cosine, or at nothing. `objective` is the loss of a list, by
    default that of `[train]`; `pooling` is what the head reads: the first token, or the mean of all.
    """

    config: Config
    pools: Pools
    prior: bool = True
    objective: Objective | None = None
    pooling: Literal["first", "mean"] = "first"

    @cached_property
    def encoder(self) -> Encoder:
        """What gives the cosine."""
        return load_encoder(self.config.train_encoder, keep=Artefacts(self.config.output).vectors)

    def train(self, examples: Sequence[pl.DataFrame], texts: Texts, folder: Path) -> tuple[list[Evaluation], HandMade]:
        """Learn from one table of examples after the other, the same time each; return the last looks at dev."""
        config, encoder = self.config.train, self.encoder
        share = config.model_copy(
            update={"minutes": config.minutes / len(examples), "max_steps": config.max_steps // len(examples)}
        )
        lists = [
            build_lists(each, size=config.documents_per_query, epochs=config.epochs, seed=self.config.seed)
            for each in examples
        ]
        lists = [each[: share.max_steps] for each in lists]
        prior, rows = rows_of([part for each in lists for part in each], texts, encoder)
        if not self.prior:
            rows = [row | {"priors": [0.0] * len(row["priors"])} for row in rows]
        model, history = self._start(config), []
        for number, each in enumerate(lists):
            output = folder / f"part-{number}"
            mine, rows = rows[: len(each)], rows[len(each) :]
            history = self._fit(model, mine, texts, prior, share, output)
            model = load_model(output / BEST, max_length=config.max_length)
        return history, HandMade(model, encoder, prior if self.prior else None)

    def _start(self, config: TrainConfig) -> CrossEncoder:
        model = load_start(config.base, max_length=config.max_length, seed=self.config.seed)
        return model if self.pooling == "first" else _mean_pooled(config)

    def _fit(
        self,
        model: CrossEncoder,
        rows: list[dict[str, object]],
        texts: Texts,
        prior: Prior,
        config: TrainConfig,
        output: Path,
    ) -> list[Evaluation]:
        scale, seed = self.config.scale, self.config.seed
        dev_examples = human_examples(self.config, "dev", pools=self.pools)
        dev = dev_set_of(dev_examples, texts, self.encoder, prior=prior, scale=scale, depth=config.dev_depth)
        if not self.prior:
            dev = replace(dev, priors=np.zeros_like(dev.priors))
        fit(
            model,
            rows,
            dev,
            objective=self.objective
            or partial(graded, listwise=config.listwise_weight, pointwise=config.pointwise_weight),
            keep=(keep := KeepBest(output, patience=config.patience, minutes=config.minutes)),
            config=config,
            seed=seed,
            output=output,
            head=HEAD if self.pooling == "first" else _MEAN_HEAD,
        )
        return keep.history


@dataclass(frozen=True)
class HandMade:
    """What `train` returns: a cross-encoder's own scores, on the prior where it learnt beside one."""

    model: CrossEncoder
    encoder: Encoder
    prior: Prior | None

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return a score a text."""
        scores = residuals(self.model, [(query, text) for text in texts])
        if self.prior:
            scores = scores + self.prior.logits(self.encoder.cosines([Pair("", "", query, text) for text in texts]))
        found: list[float] = scores.tolist()
        return found


def _mean_pooled(config: TrainConfig) -> CrossEncoder:
    """A cross-encoder whose score is a linear function, zero at first, of the mean of its last states."""
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from torch import nn

    from relsearch.encoders.model_source import resolve

    body = Transformer(
        str(resolve(config.base)), model_kwargs={"use_safetensors": True}, max_seq_length=config.max_length
    )
    size = body.auto_model.config.hidden_size
    head = Dense(size, 1, activation_function=nn.Identity(), module_output_name="scores")
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    model: CrossEncoder = CrossEncoder(modules=[body, Pooling(size, pooling_mode="mean"), head], num_labels=1)
    return model
