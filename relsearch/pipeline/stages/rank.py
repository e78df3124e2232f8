"""Stages that rank: train rerankers, export them, rerank the test queries, measure."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.settings.config import Config
from relsearch.exporters.trec import write_run
from relsearch.measure.evaluate import evaluate as evaluate_runs
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.context import Context
from relsearch.pipeline.stages.runs import FIRST_STAGE, baseline_runs, baselines, bundle_run
from relsearch.pipeline.stages.ship import SHIPPED, ship
from relsearch.pipeline.stages.training import arm_examples, train_on


def arms(config: Config) -> tuple[str, ...]:
    """Return the rerankers that are compared, the one on human labels alone first."""
    return ("human", "augmented", "optimized") if config.optimize.enabled else ("human", "augmented")


def measured(config: Config) -> tuple[str, ...]:
    """Return the names of the runs in the order of the table: the first stage, what is there already, what is new."""
    shipped = (SHIPPED,) if config.export.shipped else ()
    return (FIRST_STAGE, *baselines(config), *shipped, *(f"{arm}_reranker" for arm in arms(config)))


def model_folder(context: Context, arm: str) -> Path:
    """Return where the model of an arm stands."""
    return context.path("optimize", "model") if arm == "optimized" else context.path(f"train-{arm}")


def train_human(context: Context, work: Building) -> None:
    """Train a reranker on the human labels of training queries alone: the baseline of augmentation."""
    _train(context, work, "human")


def train_augmented(context: Context, work: Building) -> None:
    """Train a reranker on human and judged labels."""
    _train(context, work, "augmented")


def export(context: Context, work: Building) -> None:
    """Export the rerankers, and ship the one that ranks the dev queries best if it passes the guard."""
    from relsearch.exporters.bundle.late_interaction import export_late
    from relsearch.exporters.bundle.onnx import Labelled, export_bundle
    from relsearch.rerank.families import open_card

    config = context.config
    dev = context.labels.filter(pl.col("query_id").is_in(context.split("dev"))).sort("query_id", "doc_id")
    labelled = Labelled.of(context.pairs(dev), dev, config.scale)
    write = export_late if config.train.family == "late" else export_bundle
    scores = {}
    for arm in arms(config):
        model = model_folder(context, arm)
        report = write(model, work.directory / arm, labelled=labelled, config=config.export)
        scores[arm] = open_card(model).dev_ndcg10
        work.figures[arm] = {**report.figures()}
    ship(context, work, max(scores, key=lambda arm: scores[arm]))


def rerank(context: Context, work: Building) -> None:
    """Write the test queries' runs: first stage, untrained cosines, and each bundle over the first stage.

    The one in production is among them where `[export] shipped` names it.
    """
    runs = baseline_runs(context, context.split("test"))
    first = runs[FIRST_STAGE]
    if shipped := context.config.export.shipped:
        runs[SHIPPED] = bundle_run(context, first, shipped)
    for arm in arms(context.config):
        runs[f"{arm}_reranker"] = bundle_run(context, first, context.path("export", arm))
    for name, run in runs.items():
        write_run(run, work.directory / f"{name}.trec", tag=name)
        tables.write(run, work.directory / f"{name}.parquet", tables.CANDIDATES)
    work.figures |= {"runs": len(runs), "queries": first["query_id"].n_unique()}


def evaluate(context: Context, work: Building) -> None:
    """Measure the runs against the test queries' human labels, each against the first stage and all before it."""
    config = context.config
    qrels = context.human.filter(pl.col("query_id").is_in(context.split("test")))
    names = measured(config)
    runs = {name: tables.read(context.path("rerank", f"{name}.parquet"), tables.CANDIDATES) for name in names}
    measure = partial(
        evaluate_runs,
        qrels,
        measures=config.measures,
        resamples=config.evaluate.resamples,
        seed=config.seed,
        lowest=config.scale.lowest,
    )
    against = {
        baseline: measure({name: runs[name] for name in names[place:]}) for place, baseline in enumerate(names[:-1])
    }
    result = against[FIRST_STAGE]
    tests = {baseline: each.to_json()["against_first"] for baseline, each in against.items()}
    text = "\n".join([result.to_table(), *result.notes])
    work.figures |= {"result": result.to_json(), "table": text, "against": tests}


def _train(context: Context, work: Building, arm: str) -> None:
    examples, written = arm_examples(context, arm)
    report = train_on(context, examples, written=written, output=work.directory)
    work.figures |= {
        "dev_ndcg10": report.card.dev_ndcg10,
        "dev_ndcg10_cosine": report.card.dev_ndcg10_cosine,
        "best_step": report.card.best_step,
        "steps": report.steps,
        "pairs_per_s": report.pairs_per_s,
    }
