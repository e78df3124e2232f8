"""The judge that a pipeline labels with: any of the registry's, or the pipeline's own reranker."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relsearch.core.protocols import CountingJudge
from relsearch.data.pool import beside
from relsearch.encoders.model_source import checksum, fast_dtype
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.registry import RERANKER, open_judge
from relsearch.judge.self_training import FirstStage, Ranks, RerankerJudge
from relsearch.pipeline.stages.context import Context
from relsearch.rerank.families import open_model
from relsearch.rerank.interpolation import Mix

_PAIR = ["query_id", "doc_id"]


def judge_of(context: Context) -> CountingJudge:
    """Open the judge that `[label] judge` names; raise as open_judge does."""
    config = context.config
    if config.label.judge != RERANKER:
        return open_judge(config, tuned=context.path("tune"), keep=context.vectors)
    dev = context.labels.filter(pl.col("query_id").is_in(context.split("dev")))
    return reranker_judge(context, context.path("train-human"), dev)


def reranker_judge(context: Context, model: Path, held_out: pl.DataFrame) -> RerankerJudge:
    """Return a model folder as a judge, its thresholds fitted on judgments of queries that it did not learn from."""
    config = context.config
    # A cross-encoder has no vectors that feedback could compare.
    mix = Mix(config.export.mix, config.export.feedback if config.train.family == "late" else 0.0)
    run = context.first_stage
    wanted = beside(held_out, run)
    grades = wanted.join(held_out.select(*_PAIR, "grade"), on=_PAIR, how="left", maintain_order="left")["grade"]
    about = fingerprint_of(checksum(model), mix, fast_dtype(), *run.select(*_PAIR, "score").iter_rows())
    return RerankerJudge.fit(
        Ranks(open_model(model, exact=False), FirstStage(run), mix),
        context.pairs(wanted),
        grades.to_list(),
        scale=config.scale,
        aim=config.tune.aim,
        seed=config.seed,
        about=about,
    )
