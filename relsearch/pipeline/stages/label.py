"""Stages that label: tune the judge, judge the pools, measure its agreement, augment the training set."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.display.text_table import WIDTH
from relsearch.core.errors import DataError
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import Config
from relsearch.core.types import Pair
from relsearch.data.pool import whole_pools
from relsearch.encoders.encoder import vectors_by_id
from relsearch.judge.cross_fit import cross_fitted
from relsearch.judge.registry import LEARNING
from relsearch.judge.teacher import is_teacher
from relsearch.labels import augment as policy
from relsearch.labels.query_calibration import CalibratedLabels, calibrate
from relsearch.measure.agreement import Agreement, agreement
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.folds import is_cross_validated, testing_the_judge, watched, with_repeats
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools, of_queries

_PAIR = ["query_id", "doc_id"]


def tune(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Tune the judge on the human labels of training queries, watching those of dev queries.

    Without a dev split it watches a fold of the training queries, and does not learn from it.
    """
    from relsearch.encoders.encoder import load_encoder
    from relsearch.judge.tune import tune as tune_judge

    watching = watched(config, pools.collected)
    report = tune_judge(
        *_labelled(pools, pools.collected.split("train") - with_repeats(config, pools.collected, watching)),
        *_labelled(pools, watching),
        judge=config.judge,
        tune=config.tune,
        encoders=[load_encoder(encoder, keep=artefacts.vectors) for encoder in config.judge_encoders],
        scale=config.scale,
        seed=config.seed,
        output=work.directory,
    )
    work.figures |= report.figures()


def judge(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Judge the pools of training and unlabelled queries, and a sample of the held-out human pairs."""
    from relsearch.pipeline.stages.judges import judge_of

    judged_pools = pools.head(config.label.depth)
    pool = of_queries(judged_pools, pools.collected.split("train", "unlabelled"))
    testing = testing_the_judge(config, pools.collected) | pools.collected.split("test")
    human = _drawn(of_queries(pools.labels, testing), config.label.held_out_per_query, seed=config.seed)
    unlabelled = pool.select(_PAIR).join(pools.collected.human, on=_PAIR, how="anti")
    wanted = pl.concat([unlabelled, human.select(_PAIR)]).unique().sort(_PAIR)
    if wanted.is_empty():
        raise DataError("no pair to judge: every pool pair has a human label; raise [label] depth or add queries")
    judge = judge_of(config, pools=pools, artefacts=artefacts)
    found = judge_wanted(
        judge,
        wanted,
        judged_pools,
        config=config,
        collected=pools.collected,
        vectors=artefacts.vectors,
        store=artefacts.judgments,
    )
    tables.write(found.labels, work.directory / "judgments.parquet", tables.JUDGMENTS)
    expected = found.labels["expected"].drop_nulls()
    work.figures |= {
        "pairs": found.labels.height,
        "missing": found.labels.height - len(expected),
        "truncated": judge.truncated,
        "calibrated_queries": found.queries,
        "expected_grade": float(expected.to_numpy().mean()) if len(expected) else None,
    }


def judge_wanted(
    judge: Judge,
    wanted: pl.DataFrame,
    pool: pl.DataFrame,
    *,
    config: Config,
    collected: Collected,
    vectors: Path,
    store: Path,
) -> CalibratedLabels:
    """Judge the wanted pairs, which may be part of a pool, and calibrate the labels of training queries.

    Labels of training queries are calibrated on human grades of their pools (`[label] query_calibration_grades`).
    """
    from relsearch.judge.store.judgment_store import judge_all

    anchors = _anchors(config, collected, pool).join(wanted, on="query_id", how="semi")
    asked = pl.concat([wanted.select(_PAIR), anchors.select(_PAIR)])
    pairs = collected.pairs(whole_pools(pool, asked))
    texts = {pair.doc_id: pair.text for pair in pairs}
    by_id = vectors_by_id(config.judge_encoder, texts, keep=vectors)
    judged = judge_all(judge, pools_of(pairs), store, wanted=set(asked.iter_rows()))
    found = calibrate(judged, anchors, config.scale, by_id)
    return replace(found, labels=found.labels.join(wanted, on=_PAIR, how="semi"))


def agree(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Compare the judge with human labels on dev queries, or those that stand in for them, and on test queries."""
    results = {}
    if testing_the_judge(config, pools.collected):
        results["dev"] = _tested(config, pools=pools, artefacts=artefacts)
    if test := pools.collected.split("test"):
        results["test"] = _agreement(config, of_queries(pools.labels, test), judged(artefacts))
    for split, result in results.items():
        kappa = result.kappa.value if result.kappa else None
        text = "\n".join([result.to_table(), *result.notes])
        work.figures |= {f"kappa_{split}": kappa, split: result.to_json(), "table": text}


def augment(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Join human and judged labels of training queries, unless the judge fails its gate on dev queries."""
    found = _tested(config, pools=pools, artefacts=artefacts)
    policy.gate_judge(found.kappa, force=config.augment.force)
    rates = {"accuracy": found.accuracy.value, "majority": found.majority_accuracy.value}
    work.figures["table"] = textwrap.fill(policy.why_accepted(found.kappa, **rates), WIDTH)
    written, labels = synthetic(config, artefacts)
    examples = policy.augment(
        pools.labels,
        pl.concat([judged(artefacts), labels]),
        queries=pools.collected.split("train", "unlabelled") | set(written["query_id"]),
        scale=config.scale,
        config=config.augment,
        synthetic=set(written["query_id"]),
    )
    tables.write(examples, work.directory / "examples.parquet", tables.EXAMPLES)
    queries = pl.concat([pools.collected.queries.select(list(tables.QUERIES)), written])
    learnt = of_queries(queries, examples["query_id"])
    tables.write(learnt, work.directory / "queries.parquet", tables.QUERIES)
    sources = dict(examples.group_by("source").len().sort("source").iter_rows())
    work.figures |= {"examples": examples.height, **sources}


def _labelled(pools: Pools, queries: set[str]) -> tuple[list[Pair], list[int]]:
    rows = of_queries(pools.labels, queries).sort(_PAIR)
    if rows.is_empty():
        raise DataError("no human label to tune the judge on, or to watch it by; label more queries")
    return pools.collected.pairs(rows), rows["grade"].to_list()


def _anchors(config: Config, collected: Collected, pool: pl.DataFrame) -> pl.DataFrame:
    """Human grades of training queries' pools; none where all are of relevant documents, which hold nothing."""
    known = collected.human_in("train").join(pool, on=_PAIR, how="semi")
    telling = bool((known["grade"] < config.scale.relevant).any())
    return _drawn(known, config.label.query_calibration_grades if telling else 0, seed=config.seed)


def _drawn(human: pl.DataFrame, limit: int, *, seed: int) -> pl.DataFrame:
    """Draw so many pairs of each query by a hash of seed and ids, so that their order does not matter."""
    rows = human.select(_PAIR).iter_rows()
    draws = [sha256(f"{seed}:{query}:{doc}".encode()).hexdigest() for query, doc in rows]
    return tables.first_per_query(human.with_columns(draw=pl.Series(draws, dtype=pl.String)).sort("draw"), limit)


def judged(artefacts: Artefacts) -> pl.DataFrame:
    """Return the judge's labels of the pools."""
    return tables.read(artefacts.path("judge", "judgments.parquet"), tables.JUDGMENTS)


def synthetic(config: Config, artefacts: Artefacts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the written queries and their labels; none where `[augment] policies` does not ask for them."""
    if "synthetic" not in config.augment.chosen:
        return pl.DataFrame(schema=dict(tables.QUERIES)), pl.DataFrame(schema=dict(tables.JUDGMENTS))
    queries = tables.read(artefacts.path("synthesize", "queries.parquet"), tables.QUERIES)
    labels = tables.read(artefacts.path("synthesize", "judgments.parquet"), tables.JUDGMENTS)
    return queries.select(list(tables.QUERIES)), labels.select(list(tables.JUDGMENTS))


def _tested(config: Config, *, pools: Pools, artefacts: Artefacts) -> Agreement:
    """The judge's agreement on the queries that it is tested on; cuts that were fitted on these are fitted anew.

    A mean, of several judges or of a document's windows, is graded without cuts, by rounding.
    """
    human, labels = of_queries(pools.labels, testing_the_judge(config, pools.collected)), judged(artefacts)
    name, *others = config.label.judges
    own = name in LEARNING or (is_cross_validated(pools.collected) and is_teacher(name))
    if own and not others:
        rounded = _mean_of_windows(config, of_queries(labels, human["query_id"]), pools.collected)
        by_cuts = labels.join(rounded, on=_PAIR, how="anti")
        by_cuts = cross_fitted(by_cuts, human, config.scale, aim=config.tune.aim, seed=config.seed)
        labels = pl.concat([by_cuts, rounded])
    return _agreement(config, human, labels)


def _mean_of_windows(config: Config, labels: pl.DataFrame, collected: Collected) -> pl.DataFrame:
    """The labels of documents that are longer than a window, where the mean of their windows is the label."""
    if config.label.window_characters is None or config.label.window_combine != "mean":
        return labels.clear()
    texts = collected.texts(labels["doc_id"])
    longer = [len(texts[doc_id]) > config.label.window_characters for doc_id in labels["doc_id"]]
    return labels.filter(pl.Series(longer, dtype=pl.Boolean))


def _agreement(config: Config, human: pl.DataFrame, labels: pl.DataFrame) -> Agreement:
    return agreement(human, labels, config.scale, resamples=config.evaluate.resamples, seed=config.seed)
