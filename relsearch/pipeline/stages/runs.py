"""Runs that stages compare: the first stage, the untrained cosines, and a bundle over the first stage."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.settings.config import Config, EncoderConfig
from relsearch.pipeline.stages.context import Context

FIRST_STAGE, COSINE = "bm25", "cosine"


def baselines(config: Config) -> dict[str, EncoderConfig]:
    """Return the untrained encoders that a reranker has to beat, by the name of their run."""
    encoders = {COSINE: config.train_encoder}
    if config.judge_encoder != config.train_encoder:
        encoders["judge_cosine"] = config.judge_encoder
    return encoders


def baseline_runs(context: Context, query_ids: set[str]) -> dict[str, pl.DataFrame]:
    """Return the first stage of these queries and its order by each untrained cosine, the first stage first."""
    from relsearch.encoders.encoder import load_encoder

    first = context.first_stage.filter(pl.col("query_id").is_in(query_ids))
    pairs = context.pairs(first)
    runs = {FIRST_STAGE: first}
    for name, encoder in baselines(context.config).items():
        runs[name] = reorder(first, load_encoder(encoder).cosines(pairs).tolist())
    return runs


def bundle_run(context: Context, first: pl.DataFrame, bundle: Path) -> pl.DataFrame:
    """Return the run in the order of a bundle, mixed as it asks for, down to the depth of the pools."""
    from relsearch.rerank.reorder import rerank_run
    from relsearch.rerank.reranker import Reranker

    texts, depth = context.texts(first["doc_id"]), context.config.pool.depth
    return rerank_run(first, context.query_texts, texts, Reranker.open(bundle), depth=depth)


def reorder(first: pl.DataFrame, scores: list[float]) -> pl.DataFrame:
    """Return the run in the order of new scores; ties keep the first stage's order."""
    ordered = (
        first.with_columns(score=pl.Series(scores, dtype=pl.Float64))
        .sort("query_id", "score", "rank", descending=[False, True, False], maintain_order=True)
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))
    )
    return ordered.select(pl.col(name).cast(kind) for name, kind in tables.CANDIDATES.items())
