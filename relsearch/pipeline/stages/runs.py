"""Runs that stages compare: the first stage, the untrained cosines, and a reranker's order of the first stage."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

import polars as pl

from relsearch.core import tables
from relsearch.core.settings.config import Config, EncoderConfig
from relsearch.core.types import StrPath
from relsearch.pipeline.stages.inputs import Collected, Pools, of_queries
from relsearch.rerank.interpolation import Interpolation

if TYPE_CHECKING:
    from relsearch.rerank.reranker import Reranker

FIRST_STAGE, COSINE = "bm25", "cosine"


def baselines(config: Config) -> dict[str, EncoderConfig]:
    """Return the untrained encoders whose cosines rerankers are compared with, by the name of their run."""
    encoders = {COSINE: config.train_encoder}
    if config.judge_encoder != config.train_encoder:
        encoders["judge_cosine"] = config.judge_encoder
    return encoders


def baseline_runs(config: Config, query_ids: Set[str], *, pools: Pools) -> dict[str, pl.DataFrame]:
    """Return the first stage of these queries and its order by each untrained cosine, the first stage first."""
    from relsearch.encoders.encoder import load_encoder

    first = of_queries(pools.first_stage, query_ids)
    pairs = pools.collected.pairs(first)
    runs = {FIRST_STAGE: first}
    for name, encoder in baselines(config).items():
        runs[name] = reorder(first, load_encoder(encoder).cosines(pairs).tolist())
    return runs


def bundle_run(config: Config, first: pl.DataFrame, bundle: StrPath, *, collected: Collected) -> pl.DataFrame:
    """Return the run in the order of a bundle, with the interpolation it asks for, to the depth of the pools.

    BM25's share and feedback alone can beat BM25 and the cosine, so that a model which learnt nothing may look better.
    """
    from relsearch.rerank.reranker import Reranker

    return reranked(config, first, Reranker(bundle), collected=collected)


def reranked(config: Config, first: pl.DataFrame, reranker: Reranker, *, collected: Collected) -> pl.DataFrame:
    """Return the run in the order of a reranker, to the depth of the pools."""
    from relsearch.rerank.reorder import rerank_run

    return rerank_run(first, collected.query_texts, collected.texts(first["doc_id"]), reranker, depth=config.pool.depth)


def exported_mix(config: Config) -> Interpolation:
    """Return the weights that bundles of this pipeline ask for; a cross-encoder has no vectors for feedback."""
    return Interpolation(
        config.export.first_stage_weight, config.export.prf_weight if config.train.family == "late" else 0.0
    )


def reorder(first: pl.DataFrame, scores: list[float]) -> pl.DataFrame:
    """Return the run in the order of new scores; ties keep the first stage's order."""
    ordered = (
        first.with_columns(score=pl.Series(scores, dtype=pl.Float64))
        .sort("query_id", "score", "rank", descending=[False, True, False], maintain_order=True)
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))
    )
    return ordered.select(pl.col(name).cast(kind) for name, kind in tables.CANDIDATES.items())
