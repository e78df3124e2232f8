"""A reranker held out fold by fold: what is known of it where the dev queries are too few to tell anything."""

from __future__ import annotations

from collections.abc import Set
from hashlib import sha256
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.measure.quality_gate import queries_needed
from relsearch.pipeline.stages.context import Context
from relsearch.pipeline.stages.training import arm_examples, human_examples, train_on
from relsearch.rerank.card import CARD
from relsearch.rerank.families import open_model
from relsearch.rerank.interpolation import Mix
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker

FOLDED = ("human", "augmented")  # the arms whose training is known before it begins
_FOLDS = 5


def folds_need(max_p: float) -> int:
    """Return how many queries folds take: enough to reach the p, and one to learn from, to stop by and to rank."""
    return max(queries_needed(max_p), 3)


def answerable(context: Context, *splits: str) -> set[str]:
    """Return the ids of the splits' queries that have a document which people call relevant."""
    known = context.human.filter(pl.col("grade") >= context.config.scale.relevant)
    return set(known["query_id"]) & context.split(*splits)


def held_out_run(context: Context, arm: str, folder: Path) -> pl.DataFrame:
    """Return the arm's run of all answerable training and dev queries, each by a model that saw none of its labels.

    Queries are dealt to at most five folds by a hash; a model learns from the other folds and stops by the next one.
    Each fold's model stands in `folder`, so that an interrupted call goes on.
    """
    folds = _dealt(answerable(context, "train", "dev"), context.config.seed)
    runs = []
    for number, fold in enumerate(folds):
        model = folder / str(number)
        if not (model / CARD).is_file():
            _train(context, arm, held_out=fold, watched=folds[(number + 1) % len(folds)], output=model)
        runs.append(_ranked(context, fold, model))
    return pl.concat(runs)


def _train(context: Context, arm: str, *, held_out: Set[str], watched: Set[str], output: Path) -> None:
    learnt, written = arm_examples(context, arm)
    every = pl.concat([learnt, human_examples(context, "dev")])
    examples = every.filter(~pl.col("query_id").is_in(held_out | watched))
    dev = human_examples(context, "train", "dev").filter(pl.col("query_id").is_in(watched))
    train_on(context, examples, dev=dev, written=written, output=output)


def _dealt(query_ids: Set[str], seed: int) -> list[set[str]]:
    order = sorted(query_ids, key=lambda query_id: sha256(f"{seed}:{query_id}".encode()).hexdigest())
    count = min(_FOLDS, len(order))
    return [set(order[start::count]) for start in range(count)]


def _ranked(context: Context, query_ids: Set[str], model: Path) -> pl.DataFrame:
    config = context.config
    first = context.first_stage.filter(pl.col("query_id").is_in(query_ids))
    if first.is_empty():
        return pl.DataFrame(schema=dict(tables.CANDIDATES))
    mix = Mix(config.export.mix, config.export.feedback if config.train.family == "late" else 0.0)
    texts = context.texts(first["doc_id"])
    reranker = Reranker(open_model(model), config.collection.template, mix)
    return rerank_run(first, context.query_texts, texts, reranker, depth=config.pool.depth)
