"""One training of a reranker on a pipeline's artefacts, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relsearch import augment as policy
from relsearch.config import TrainConfig
from relsearch.stages.context import Context

if TYPE_CHECKING:
    from relsearch.rerank.training import TrainReport


def train_on(
    context: Context,
    examples: pl.DataFrame,
    *,
    output: Path,
    dev: pl.DataFrame | None = None,
    written: Mapping[str, str] | None = None,
    train: TrainConfig | None = None,
    seed: int | None = None,
) -> TrainReport:
    """Train on examples, watched on `dev`, by default the human labels of the dev queries.

    `written` are the texts of synthetic queries; settings and seed are the config's where none are given.
    """
    from relsearch.rerank.families import train as train_reranker
    from relsearch.rerank.training import Texts

    config = context.config
    dev = human_examples(context, "dev") if dev is None else dev
    doc_ids = [*examples["doc_id"], *dev["doc_id"]]
    sources = examples.group_by("source").len().sort("source").rows()
    return train_reranker(
        examples,
        dev,
        texts=Texts({**(written or {}), **context.query_texts}, context.texts(doc_ids), config.collection.template),
        config=train or config.train,
        encoder=config.train_encoder,
        scale=config.scale,
        seed=config.seed if seed is None else seed,
        output=output,
        training_data=", ".join(f"{count} {source} labels" for source, count in sources),
        vectors=context.vectors,
    )


def human_examples(context: Context, split: str) -> pl.DataFrame:
    """Return the examples that a split makes without a judge."""
    config = context.config
    return policy.augment(context.labels, None, queries=context.split(split), scale=config.scale, config=config.augment)
