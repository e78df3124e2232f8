"""The judge that a pipeline labels with: any of the registry's, or the pipeline's own reranker."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relsearch.core.protocols import Judge
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import Config
from relsearch.data.pool import whole_pools
from relsearch.encoders.model_source import checksum, fast_dtype
from relsearch.judge.average import mean_of
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.registry import RERANKER, by_judge, open_judge
from relsearch.judge.self_training import FirstStage, Ranks, RerankerJudge
from relsearch.pipeline.stages.inputs import Artefacts, Pools
from relsearch.pipeline.stages.runs import exported_mix
from relsearch.rerank.families import open_model

_PAIR = ["query_id", "doc_id"]


def judge_of(config: Config, *, pools: Pools, artefacts: Artefacts) -> Judge:
    """Open the judge that `[label] judge` names, or the average of those; raise as open_judge does."""
    return mean_of([_judge(each, pools, artefacts) for each in by_judge(config)])


def _judge(config: Config, pools: Pools, artefacts: Artefacts) -> Judge:
    if config.label.judge != RERANKER:
        return open_judge(config, tuned=artefacts.path("tune"), keep=artefacts.vectors)
    return reranker_judge(config, artefacts.path("train-human"), pools.labels_in("dev"), pools=pools)


def reranker_judge(config: Config, model: Path, held_out: pl.DataFrame, *, pools: Pools) -> RerankerJudge:
    """Return a model folder as a judge, its thresholds fitted on judgments of queries that it did not learn from."""
    mix, run = exported_mix(config), pools.first_stage
    wanted = whole_pools(run, held_out)
    grades = wanted.join(held_out.select(*_PAIR, "grade"), on=_PAIR, how="left", maintain_order="left")["grade"]
    about = fingerprint_of(checksum(model), mix, fast_dtype(), *run.select(*_PAIR, "score").iter_rows())
    return RerankerJudge.fit(
        Ranks(open_model(model, exact=False), FirstStage(run), mix),
        pools_of(pools.collected.pairs(wanted)),
        grades.to_list(),
        scale=config.scale,
        aim=config.tune.aim,
        seed=config.seed,
        about=about,
    )
