"""One training of a reranker on a pipeline's artefacts, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relsearch.cluster.processes import is_first
from relsearch.core import tables
from relsearch.core.settings.config import Config, TrainConfig
from relsearch.exporters.model_card import write_model_card
from relsearch.labels import augment as policy
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools

if TYPE_CHECKING:
    from relsearch.rerank.card import Kept
    from relsearch.rerank.train_job import TrainReport


def train_on(
    config: Config,
    examples: pl.DataFrame,
    *,
    dev: pl.DataFrame,
    collected: Collected,
    vectors: Path,
    output: Path,
    written: Mapping[str, str] | None = None,
    train: TrainConfig | None = None,
    seed: int | None = None,
    kept: Kept = "best",
) -> TrainReport:
    """Train on examples, choose the weights by `dev` or as `kept` says, write the model to `output`, return the report.

    `vectors` is the folder of the documents' vectors, `written` the texts of synthetic queries by id; settings and seed
    are the config's where none are given.
    """
    from relsearch.rerank.families import train as train_reranker
    from relsearch.rerank.train_job import Texts, TrainJob

    doc_ids = [*examples["doc_id"], *dev["doc_id"]]
    sources = examples.group_by("source").len().sort("source").rows()
    job = TrainJob(
        examples=examples,
        dev_examples=dev,
        texts=Texts({**(written or {}), **collected.query_texts}, collected.texts(doc_ids), config.collection.template),
        config=train or config.train,
        encoder=config.train_encoder,
        scale=config.scale,
        seed=config.seed if seed is None else seed,
        output=output,
        training_data=", ".join(f"{count} {source} labels" for source, count in sources),
        vectors=vectors,
        kept=kept,
    )
    report = train_reranker(job)
    if is_first():
        write_model_card(output)
    return report


def human_examples(config: Config, *splits: str, pools: Pools) -> pl.DataFrame:
    """Return the examples that splits make without a judge."""
    return policy.human_examples(pools.labels, queries=pools.collected.split(*splits), scale=config.scale)


def arm_examples(
    config: Config, arm: str, *, pools: Pools, artefacts: Artefacts
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the training examples of an arm of the comparison, and the texts of the queries written for it by id."""
    if arm == "human":
        return human_examples(config, "train", pools=pools), {}
    examples = tables.read(artefacts.path("augment", "examples.parquet"), tables.EXAMPLES)
    queries = tables.read(artefacts.path("augment", "queries.parquet"), tables.QUERIES)
    return examples, dict(queries.select("query_id", "text").iter_rows())
