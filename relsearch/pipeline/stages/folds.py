"""A reranker held out fold by fold: what is known of it where the dev queries are too few to tell anything."""

from __future__ import annotations

from collections.abc import Set
from hashlib import sha256
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.settings.config import Config
from relsearch.core.types import Scale
from relsearch.measure.quality_gate import queries_needed
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools, of_queries
from relsearch.pipeline.stages.runs import exported_mix, reranked
from relsearch.pipeline.stages.training import arm_examples, human_examples, train_on
from relsearch.rerank.card import CARD
from relsearch.rerank.families import open_model
from relsearch.rerank.reranker import Reranker

FOLDED = ("human", "augmented")  # the arms whose training is known before it begins
_FOLDS = 5


def folds_need(max_p: float) -> int:
    """Return how many queries folds take: enough to reach the p, and one to learn from, to stop by and to rank."""
    return max(queries_needed(max_p), 3)


def answerable(collected: Collected, *splits: str, scale: Scale) -> set[str]:
    """Return the ids of the splits' queries that have a document which people call relevant."""
    return set(collected.human_in(*splits).filter(pl.col("grade") >= scale.relevant)["query_id"])


def held_out_run(config: Config, arm: str, folder: Path, *, pools: Pools, artefacts: Artefacts) -> pl.DataFrame:
    """Return the arm's run of all answerable training and dev queries, each by a model that saw none of its labels.

    Queries are dealt to at most five folds by a hash; a model learns from the other folds and stops by the next one.
    Each fold's model stands in `folder`, so that an interrupted call goes on.
    """
    folds = _dealt(answerable(pools.collected, "train", "dev", scale=config.scale), config.seed)
    known, written = arm_examples(config, arm, pools=pools, artefacts=artefacts)
    every = pl.concat([known, human_examples(config, "dev", pools=pools)])
    labelled = human_examples(config, "train", "dev", pools=pools)
    runs = []
    for number, fold in enumerate(folds):
        model = folder / str(number)
        if not (model / CARD).is_file():
            watched = folds[(number + 1) % len(folds)]
            train_on(
                config,
                every.filter(~pl.col("query_id").is_in(fold | watched)),
                dev=of_queries(labelled, watched),
                collected=pools.collected,
                vectors=artefacts.vectors,
                written=written,
                output=model,
            )
        runs.append(_ranked(config, pools, fold, model))
    return pl.concat(runs)


def _dealt(query_ids: Set[str], seed: int) -> list[set[str]]:
    order = sorted(query_ids, key=lambda query_id: sha256(f"{seed}:{query_id}".encode()).hexdigest())
    count = min(_FOLDS, len(order))
    return [set(order[start::count]) for start in range(count)]


def _ranked(config: Config, pools: Pools, query_ids: Set[str], model: Path) -> pl.DataFrame:
    first = of_queries(pools.first_stage, query_ids)
    if first.is_empty():
        return pl.DataFrame(schema=dict(tables.CANDIDATES))
    reranker = Reranker(open_model(model), config.collection.template, exported_mix(config))
    return reranked(config, first, reranker, collected=pools.collected)
