"""The judge that a pipeline labels with: any of the registry's, or the pipeline's own reranker."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from relsearch.encoder import load_encoder
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.registry import RERANKER, open_judge
from relsearch.pool import beside
from relsearch.protocols import CountingJudge
from relsearch.rerank.families import open_model
from relsearch.rerank.mix import Mix
from relsearch.reranker_judge import Ranks, RerankerJudge
from relsearch.search_evidence import FirstStage, SearchEvidence
from relsearch.stages.context import Context
from relsearch.types import Pair
from relsearch.weights import checksum

_PAIR = ["query_id", "doc_id"]


def judge_of(context: Context) -> CountingJudge:
    """Open the judge that `[label] judge` names; raise as open_judge does."""
    config = context.config
    if config.label.judge != RERANKER:
        return open_judge(config, tuned=context.path("tune"), keep=context.vectors)
    known = context.labels.filter(pl.col("query_id").is_in(context.split("train", "dev")))
    return reranker_judge(context, context.path("train-human"), known, held_out=context.split("dev"))


def reranker_judge(context: Context, model: Path, known: pl.DataFrame, *, held_out: Collection[str]) -> RerankerJudge:
    """Return a model folder as a judge.

    The evidence beside it is weighed on all `known` judgments, the thresholds on those of the `held_out` queries, which
    the model did not learn from.
    """
    config = context.config
    # A cross-encoder has no vectors that feedback could compare.
    mix = Mix(config.export.mix, config.export.feedback if config.train.family == "late" else 0.0)
    run = context.first_stage
    first_stage = FirstStage(run)
    encoder = load_encoder(config.train_encoder, keep=context.vectors)
    evidence = SearchEvidence.fit(
        encoder, first_stage, config.judge.evidence, *_graded_pools(context, known), scale=config.scale
    )
    about = fingerprint_of(checksum(model), mix, encoder.config, *run.select(*_PAIR, "score").iter_rows())
    return RerankerJudge.fit(
        Ranks(open_model(model), first_stage, mix),
        evidence,
        *_graded_pools(context, known.filter(pl.col("query_id").is_in(sorted(held_out)))),
        scale=config.scale,
        aim=config.tune.aim,
        seed=config.seed,
        about=about,
    )


def _graded_pools(context: Context, known: pl.DataFrame) -> tuple[list[Pair], list[int | None]]:
    """The known pairs beside the search's others of their queries; grades None where there is none."""
    wanted = beside(known, context.first_stage)
    grades = wanted.join(known.select(*_PAIR, "grade"), on=_PAIR, how="left", maintain_order="left")["grade"]
    return context.pairs(wanted), grades.to_list()
