"""Stages that label: tune the judge, judge the pools, measure its agreement, augment the training set."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.protocols import Judge
from relsearch.core.types import Pair
from relsearch.data.pool import beside
from relsearch.encoders.encoder import vectors_by_id
from relsearch.labels import augment as policy
from relsearch.labels.query_calibration import Anchored, anchor
from relsearch.measure.agreement import Agreement, agreement
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.context import Context

_PAIR = ["query_id", "doc_id"]


def tune(context: Context, work: Building) -> None:
    """LoRA-tune the judge on the human labels of training queries, watching those of dev queries."""
    from relsearch.encoders.encoder import load_encoder
    from relsearch.judge.tuning.tune import tune as tune_judge

    config = context.config
    report = tune_judge(
        *_labelled(context, "train"),
        *_labelled(context, "dev"),
        judge=config.judge,
        tune=config.tune,
        encoders=[load_encoder(encoder, keep=context.vectors) for encoder in config.judge_encoders],
        scale=config.scale,
        seed=config.seed,
        output=work.directory,
    )
    work.figures |= report.figures()


def judge(context: Context, work: Building) -> None:
    """Judge the pools of training and unlabelled queries, and a sample of the held-out human pairs."""
    from relsearch.pipeline.stages.judges import judge_of

    learning = context.split("train", "unlabelled")
    held_out = context.split("dev", "test")
    pool = context.candidates.filter(
        pl.col("query_id").is_in(learning) & (pl.col("rank") <= context.config.label.depth)
    )
    human = _drawn(
        context.labels.filter(pl.col("query_id").is_in(held_out)), context.config.label.held_out_per_query, context
    )
    known = context.human
    if context.config.label.human_irrelevant:
        known = known.filter(pl.col("grade") >= context.config.scale.relevant)
    wanted = pl.concat([pool.select(_PAIR).join(known, on=_PAIR, how="anti"), human.select(_PAIR)]).sort(_PAIR)
    if wanted.is_empty():
        raise DataError("no pair to judge: every pool pair has a human label; raise [label] depth or add queries")
    judge = judge_of(context)
    found = judge_beside(judge, wanted, pool, context, work.directory / "store")
    tables.write(found.labels, work.directory / "judgments.parquet", tables.JUDGMENTS)
    expected = found.labels["expected"].drop_nulls()
    work.figures |= {
        "pairs": found.labels.height,
        "missing": found.labels.height - len(expected),
        "truncated": judge.truncated,
        "anchored_queries": found.queries,
        "expected_grade": float(expected.to_numpy().mean()) if len(expected) else None,
    }


def judge_beside(judge: Judge, wanted: pl.DataFrame, pool: pl.DataFrame, context: Context, store: Path) -> Anchored:
    """Judge the wanted pairs; one that grades a pair beside the query's others is given the pool's as well.

    Labels of training queries are held against what people said of their pools, so far as `[label] anchors` says.
    """
    from relsearch.judge.judgment_store import judge_all

    anchors = _anchors(context, pool).join(wanted, on="query_id", how="semi")
    every = pl.concat([wanted.select(_PAIR), anchors.select(_PAIR)]).unique().sort(_PAIR)
    asked = beside(every, pool) if judge.pooled else every
    pairs = context.pairs(asked)
    texts = {pair.doc_id: pair.text for pair in pairs}
    vectors = vectors_by_id(context.config.judge_encoder, texts, keep=context.vectors)
    found = anchor(judge_all(judge, pairs, store), anchors, context.config.scale, vectors)
    return replace(found, labels=found.labels.join(wanted, on=_PAIR, how="semi"))


def agree(context: Context, work: Building) -> None:
    """Hold the judge against human labels on dev and on test queries."""
    for split in ("dev", "test"):
        if context.split(split):
            result = _agreement(context, split)
            kappa = result.kappa.value if result.kappa else None
            text = "\n".join([result.to_table(), *result.notes])
            work.figures |= {f"kappa_{split}": kappa, split: result.to_json(), "table": text}


def augment(context: Context, work: Building) -> None:
    """Join human and judged labels of training queries, unless the judge fails its gate on dev queries."""
    config = context.config
    policy.gate_judge(_agreement(context, "dev").kappa, force=config.augment.force)
    written, labels = synthetic(context)
    examples = policy.augment(
        context.labels,
        pl.concat([judged(context), labels]),
        queries=context.split("train", "unlabelled") | set(written["query_id"]),
        scale=config.scale,
        config=config.augment,
        synthetic=set(written["query_id"]),
    )
    tables.write(examples, work.directory / "examples.parquet", tables.EXAMPLES)
    queries = pl.concat([context.queries.select(list(tables.QUERIES)), written])
    tables.write(
        queries.filter(pl.col("query_id").is_in(examples["query_id"].implode())),
        work.directory / "queries.parquet",
        tables.QUERIES,
    )
    sources = dict(examples.group_by("source").len().sort("source").iter_rows())
    work.figures |= {"examples": examples.height, **sources}


def _labelled(context: Context, split: str) -> tuple[list[Pair], list[int]]:
    rows = context.labels.filter(pl.col("query_id").is_in(context.split(split))).sort(_PAIR)
    if rows.is_empty():
        raise DataError(f"no human label in the {split} split; add labelled queries or change the split's share")
    return context.pairs(rows), rows["grade"].to_list()


def _anchors(context: Context, pool: pl.DataFrame) -> pl.DataFrame:
    """Human grades of training queries' pools; none where all are of relevant documents, which hold nothing."""
    known = context.human.filter(pl.col("query_id").is_in(context.split("train"))).join(pool, on=_PAIR, how="semi")
    telling = bool((known["grade"] < context.config.scale.relevant).any())
    return _drawn(known, context.config.label.anchors if telling else 0, context)


def _drawn(human: pl.DataFrame, limit: int, context: Context) -> pl.DataFrame:
    """Draw so many pairs of each query by a hash of seed and ids, so that their order does not matter."""
    rows = human.select(_PAIR).iter_rows()
    draws = [sha256(f"{context.config.seed}:{query}:{doc}".encode()).hexdigest() for query, doc in rows]
    return tables.first_per_query(human.with_columns(draw=pl.Series(draws, dtype=pl.String)).sort("draw"), limit)


def judged(context: Context) -> pl.DataFrame:
    """Return the judge's labels of the pools."""
    return tables.read(context.path("judge", "judgments.parquet"), tables.JUDGMENTS)


def synthetic(context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the written queries and their labels; none where `[augment] policies` does not ask for them."""
    if "synthetic" not in context.config.augment.chosen:
        return pl.DataFrame(schema=dict(tables.QUERIES)), pl.DataFrame(schema=dict(tables.JUDGMENTS))
    queries = tables.read(context.path("synthesize", "queries.parquet"), tables.QUERIES)
    name = f"{context.config.augment.beside_source}.parquet"
    labels = tables.read(context.path("synthesize", name), tables.JUDGMENTS)
    return queries.select(list(tables.QUERIES)), labels.select(list(tables.JUDGMENTS))


def _agreement(context: Context, split: str) -> Agreement:
    config = context.config
    human = context.labels.filter(pl.col("query_id").is_in(context.split(split)))
    return agreement(human, judged(context), config.scale, resamples=config.evaluate.resamples, seed=config.seed)
