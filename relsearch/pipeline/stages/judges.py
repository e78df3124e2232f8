"""The judge that a pipeline labels with: any of the registry's, or a reranker, calibrated on human labels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import polars as pl

from relsearch.cluster.ray_workers import workers_of
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import Config
from relsearch.data.assumed import ASSUMED
from relsearch.data.pool import whole_pools
from relsearch.encoders.model_source import content_checksum, fast_dtype
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.registry import RERANKER, by_judge, open_judge
from relsearch.judge.self_training import FirstStage, Ranks, RerankerJudge
from relsearch.judge.store.missing import on_workers
from relsearch.judge.teacher import is_teacher, open_teacher
from relsearch.judge.wrappers.average import mean_of
from relsearch.pipeline.stages.folds import FOLDS, folds, is_cross_validated
from relsearch.pipeline.stages.inputs import Artefacts, Pools, of_queries
from relsearch.pipeline.stages.runs import exported_mix
from relsearch.rerank.families import open_model

_PAIR = ["query_id", "doc_id"]


def judge_of(config: Config, *, pools: Pools, artefacts: Artefacts) -> Judge:
    """Open the judge that `[label] judge` names, or the average of those, to work where `[run]` says.

    Raise as open_judge does.
    """
    return on_workers(partial(_mean, config, pools, artefacts), workers_of(config.run))


def _mean(config: Config, pools: Pools, artefacts: Artefacts) -> Judge:
    return mean_of([_judge(each, pools, artefacts) for each in by_judge(config)])


def _judge(config: Config, pools: Pools, artefacts: Artefacts) -> Judge:
    if is_teacher(config.label.judge) and not pools.labels_in("train").is_empty():
        return _calibrated_teacher(config, pools)
    if config.label.judge != RERANKER:
        return open_judge(config, tuned=artefacts.path("tune"), keep=artefacts.vectors)
    model, folded = artefacts.path("train-human"), is_cross_validated(pools.collected)
    by_fold = {
        query_id: model / FOLDS / str(number)
        for number, fold in enumerate(folds(config, pools.collected) if folded else [])
        for query_id in fold
    }
    labels = of_queries(pools.labels, by_fold) if folded else pools.labels_in("dev")
    return reranker_judge(config, model, labels, pools=pools, by_fold=by_fold)


def reranker_judge(
    config: Config,
    model: Path,
    held_out: pl.DataFrame,
    *,
    pools: Pools,
    by_fold: Mapping[str, Path] = MappingProxyType({}),
) -> RerankerJudge:
    """Return a model folder as a judge, its thresholds fitted on judgments of queries that it did not learn from.

    A query of `by_fold` is graded by that folder's model, which left it out.
    """
    mix, run = exported_mix(config), pools.first_stage
    opened = {
        folder: Ranks(open_model(folder, exact=False), FirstStage(run), mix) for folder in {model, *by_fold.values()}
    }
    models = [content_checksum(folder) for folder in sorted(opened)]
    about = fingerprint_of(models, mix, fast_dtype(), *run.select(*_PAIR, "score").iter_rows())
    by_query = {query_id: opened[folder] for query_id, folder in by_fold.items()}
    return _fitted(config, opened[model], held_out, pools=pools, about=about, by_query=by_query)


def _calibrated_teacher(config: Config, pools: Pools) -> RerankerJudge:
    """A reranker that others made: all training queries are new to it, so that their labels calibrate it."""
    teacher, run = open_teacher(config.label.judge, config.remote), pools.first_stage
    about = fingerprint_of(teacher.about, teacher.interpolation, *run.select(*_PAIR, "score").iter_rows())
    ranks = Ranks(teacher.scorer, FirstStage(run), teacher.interpolation)
    return _fitted(config, ranks, pools.labels_in("train"), pools=pools, about=about, by_query={})


def _fitted(
    config: Config, ranks: Ranks, labels: pl.DataFrame, *, pools: Pools, about: str, by_query: Mapping[str, Ranks]
) -> RerankerJudge:
    """A reranker as a judge, calibrated on the labels of whole pools, as deep as those that it will judge."""
    pool = pools.head(config.label.depth)
    deeper = labels.filter(pl.col("source") == ASSUMED).join(pool, on=_PAIR, how="anti")
    labels = labels.join(deeper, on=_PAIR, how="anti")
    wanted = whole_pools(pool, labels)
    grades = wanted.join(labels.select(*_PAIR, "grade"), on=_PAIR, how="left", maintain_order="left")["grade"]
    return RerankerJudge.fit(
        ranks,
        pools_of(pools.collected.pairs(wanted)),
        grades.to_list(),
        scale=config.scale,
        aim=config.tune.aim,
        seed=config.seed,
        about=about,
        by_query=by_query,
    )
