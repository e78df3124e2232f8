"""Stages that rank: train rerankers, export them, rerank the test queries, measure."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from relsearch.core import tables
from relsearch.core.settings.config import Config
from relsearch.exporters.trec import write_run
from relsearch.measure.evaluate import evaluate as evaluate_runs
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.folds import FOLDED, cross_validate, is_cross_validated
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools
from relsearch.pipeline.stages.runs import FIRST_STAGE, baseline_runs, baselines, bundle_run
from relsearch.pipeline.stages.ship import SHIPPED, ship
from relsearch.pipeline.stages.training import arm_examples, human_examples, train_on

if TYPE_CHECKING:
    from relsearch.exporters.bundle.choose import ExportReport


def arms(config: Config) -> tuple[str, ...]:
    """Return the rerankers that are compared, the one on human labels alone first."""
    return ("human", "augmented", "optimized") if config.optimize.enabled else ("human", "augmented")


def measured(config: Config) -> tuple[str, ...]:
    """Return the names of the runs in the order of the table: the first stage, what is there already, what is new."""
    shipped = (SHIPPED,) if config.export.shipped else ()
    return (FIRST_STAGE, *baselines(config), *shipped, *(f"{arm}_reranker" for arm in arms(config)))


def model_folder(artefacts: Artefacts, arm: str) -> Path:
    """Return where the model of an arm stands."""
    return artefacts.path("optimize", "model") if arm == "optimized" else artefacts.path(f"train-{arm}")


def train_human(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Train a reranker on the human labels of training queries alone: the baseline of augmentation."""
    _train(config, work, "human", pools=pools, artefacts=artefacts)


def train_augmented(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Train a reranker on human and judged labels."""
    _train(config, work, "augmented", pools=pools, artefacts=artefacts)


def export(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Export the rerankers, and ship the one that ranks the dev queries best if it passes the quality gate.

    Without a dev split the best one by cross-validation, which cannot tell of what rounds and trials found, and may be
    easy on the augmented one (folds.held_out_run).
    """
    from relsearch.rerank.families import open_card

    scores = {}
    for arm in arms(config):
        model = model_folder(artefacts, arm)
        work.figures[arm] = {**export_model(config, model, work.directory / arm, pools=pools).figures()}
        scores[arm] = open_card(model).dev_ndcg10
    folded = is_cross_validated(pools.collected)
    known = {arm: score for arm, score in scores.items() if not folded or arm in FOLDED}
    ship(config, work, max(known, key=lambda arm: known[arm]), pools=pools, artefacts=artefacts)


def export_model(config: Config, model: Path, output: Path, *, pools: Pools) -> ExportReport:
    """Write the bundle of a trained model to `output`, and return how it compares with torch on human-labelled pairs.

    Those are the dev queries', or without a dev split the training queries'.
    """
    from relsearch.exporters.bundle.late_interaction import export_late
    from relsearch.exporters.bundle.onnx import Labelled, export_bundle

    labels = pools.labels_in("train" if is_cross_validated(pools.collected) else "dev").sort("query_id", "doc_id")
    labelled = Labelled.from_pairs(pools.collected.pairs(labels), labels, config.scale)
    write = export_late if config.train.family == "late" else export_bundle
    return write(model, output, labelled=labelled, config=config.export)


def rerank(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Write the test queries' runs: first stage, untrained cosines, and each bundle over the first stage.

    The one in production is among them where `[export] shipped` names it.
    """
    collected = pools.collected
    runs = baseline_runs(config, collected.split("test"), pools=pools)
    first = runs[FIRST_STAGE]
    if shipped := config.export.shipped:
        runs[SHIPPED] = bundle_run(config, first, shipped, collected=collected)
    for arm in arms(config):
        runs[f"{arm}_reranker"] = bundle_run(config, first, artefacts.path("export", arm), collected=collected)
    for name, run in runs.items():
        write_run(run, work.directory / f"{name}.trec", tag=name)
        tables.write(run, work.directory / f"{name}.parquet", tables.CANDIDATES)
    work.figures |= {"runs": len(runs), "queries": first["query_id"].n_unique()}


def evaluate(config: Config, work: Building, *, collected: Collected, artefacts: Artefacts) -> None:
    """Measure the runs against the test queries' human labels, each against the first stage and all before it."""
    names = measured(config)
    runs = {name: tables.read(artefacts.path("rerank", f"{name}.parquet"), tables.CANDIDATES) for name in names}
    measure = partial(
        evaluate_runs,
        collected.human_in("test"),
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


def _train(config: Config, work: Building, arm: str, *, pools: Pools, artefacts: Artefacts) -> None:
    examples, written = arm_examples(config, arm, pools=pools, artefacts=artefacts)
    if is_cross_validated(pools.collected):
        report = cross_validate(
            config, examples, written, pools=pools, vectors=artefacts.vectors, output=work.directory
        )
    else:
        report = train_on(
            config,
            examples,
            dev=human_examples(config, "dev", pools=pools),
            collected=pools.collected,
            vectors=artefacts.vectors,
            written=written,
            output=work.directory,
        )
    work.figures |= {
        "dev_ndcg10": report.card.dev_ndcg10,
        "dev_ndcg10_cosine": report.card.dev_ndcg10_cosine,
        "best_step": report.card.best_step,
        "steps": report.steps,
        "pairs_per_s": report.pairs_per_s,
    }
