"""One training of a reranker on a pipeline's artefacts, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relsearch.core import tables
from relsearch.core.settings.config import TrainConfig
from relsearch.labels import augment as policy
from relsearch.pipeline.stages.context import Context

if TYPE_CHECKING:
    from relsearch.rerank.training.job import TrainReport


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
    from relsearch.rerank.training.job import Texts

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


def human_examples(context: Context, *splits: str) -> pl.DataFrame:
    """Return the examples that splits make without a judge."""
    return policy.human_examples(context.labels, queries=context.split(*splits), scale=context.config.scale)


def arm_examples(context: Context, arm: str) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return what an arm of the comparison learns from, and the texts of the queries that were written for it."""
    if arm == "human":
        return human_examples(context, "train"), {}
    examples = tables.read(context.path("augment", "examples.parquet"), tables.EXAMPLES)
    queries = tables.read(context.path("augment", "queries.parquet"), tables.QUERIES)
    return examples, dict(queries.select("query_id", "text").iter_rows())
