"""A report from the folder of a pipeline's artefacts; of stages that have not run the page says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from relsearch.core import tables
from relsearch.core.display.wording import counted
from relsearch.core.errors import ArtifactError
from relsearch.core.settings.config import Config
from relsearch.measure.evaluate import Evaluation
from relsearch.measure.evaluate import evaluate as evaluate_runs
from relsearch.pipeline.artifacts import MANIFEST, Manifest, read_manifest
from relsearch.pipeline.kept_settings import SETTINGS, read_settings
from relsearch.pipeline.order import stages_of
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools, open_pools
from relsearch.pipeline.stages.rank import arms, measured, model_folder
from relsearch.pipeline.stages.runs import FIRST_STAGE
from relsearch.pipeline.stages.ship import REFUSED
from relsearch.report.data import (
    Cost,
    Curves,
    JudgeCheck,
    Look,
    ReportData,
    StageTime,
    check_judge,
    count_labels,
    cut_runs,
)
from relsearch.report.depths import quality_by_depth
from relsearch.report.judge import disagreements
from relsearch.report.queries import RANKS, shown_documents
from relsearch.report.words import duration
from relsearch.rerank.families import open_card

_HELD_OUT = ("test", "dev")
_LEARNT = ("train", "dev")
_LOOKS = TypeAdapter(list[Look])


def from_run_folder(folder: Path) -> ReportData:
    """Return the report of a run folder; raise ArtifactError where it is none, or no stage has ended."""
    config = read_settings(folder)
    manifests = {
        stage.name: read_manifest(folder / stage.name)
        for stage in stages_of(config)
        if (folder / stage.name / MANIFEST).is_file()
    }
    if not manifests:
        raise ArtifactError(f"{folder}: no stage has ended yet; run: relsearch run")
    pools = open_pools(config)
    evaluation, ranked = _comparison(config, manifests, pools.collected)
    runs = cut_runs(ranked, RANKS)
    judge = _judge(config, manifests, pools)
    shown = shown_documents(runs) | ({pair.doc_id for pair in disagreements(judge)} if judge else set())
    export = manifests["export"].figures if "export" in manifests else {}
    labels = _labels(manifests, pools, Artefacts(folder))
    featured = _featured(config, export) if evaluation else ""
    return ReportData(
        title=folder.absolute().name,
        scale=config.scale,
        evaluation=evaluation,
        split="test",
        featured=featured,
        runs=runs,
        labels=pools.collected.human if "collect" in manifests else None,
        judged=_judgments(config) if "judge" in manifests else None,
        queries=pools.collected.query_texts if "collect" in manifests else {},
        documents=pools.collected.texts(shown) if shown else {},
        judge=judge,
        costs=_costs(config, manifests, labels),
        label_counts=count_labels(labels),
        curves=_curves(config, manifests, Artefacts(folder)),
        latency_ms=_latency(config, export),
        by_depth=quality_by_depth(
            evaluation, pools.collected.human_in("test"), ranked, featured, lowest=config.scale.lowest
        )
        if evaluation
        else (),
        stages=[StageTime(name, each.created, each.seconds, each.version) for name, each in manifests.items()],
        provenance=_provenance(config, manifests),
        commands=("relsearch run -c relsearch.toml", f"relsearch report {folder}"),
        settings=(folder / SETTINGS).read_text(encoding="utf-8"),
        notes=(*(evaluation.notes if evaluation else ()), *([str(export[REFUSED])] if REFUSED in export else [])),
    )


def _comparison(
    config: Config, manifests: Mapping[str, Manifest], collected: Collected
) -> tuple[Evaluation | None, dict[str, pl.DataFrame]]:
    """The test queries' runs, measured as the stage `evaluate` does."""
    if "rerank" not in manifests:
        return None, {}
    names = measured(config)
    runs = {
        name: tables.read(config.output / "rerank" / f"{name}.parquet", tables.CANDIDATES)
        for name in names
        if f"{name}.parquet" in manifests["rerank"].files
    }
    result = evaluate_runs(
        collected.human_in("test"),
        runs,
        measures=config.measures,
        resamples=config.evaluate.resamples,
        seed=config.seed,
        lowest=config.scale.lowest,
        baseline=FIRST_STAGE,
    )
    return result, runs


def _featured(config: Config, export: Mapping[str, object]) -> str:
    """The run of the reranker that ships, or of the last new one where none of them does."""
    names = measured(config)
    shipped = f"{export.get('shipped')}_reranker"
    return shipped if shipped in names else names[-1]


def _judge(config: Config, manifests: Mapping[str, Manifest], pools: Pools) -> JudgeCheck | None:
    """The judge on test queries, or on dev queries where no query is kept for the test."""
    checked = manifests["agree"].figures if "agree" in manifests else {}
    split = next((name for name in _HELD_OUT if name in checked), None)
    if split is None:
        return None
    resamples = config.evaluate.resamples
    on = f"the {split} queries' labelled pairs"
    return check_judge(
        pools.labels_in(split), _judgments(config), config.scale, on=on, resamples=resamples, seed=config.seed
    )


def _judgments(config: Config) -> pl.DataFrame:
    return tables.read(config.output / "judge" / "judgments.parquet", tables.JUDGMENTS)


def _labels(manifests: Mapping[str, Manifest], pools: Pools, artefacts: Artefacts) -> dict[str, pl.DataFrame]:
    """The human labels of each split, and what the judge added to the training examples."""
    if "collect" not in manifests:
        return {}
    found = {f"human, {split}": pools.collected.human_in(split) for split in ("train", "dev", "test")}
    if "augment" in manifests:
        examples = tables.read(artefacts.path("augment", "examples.parquet"), tables.EXAMPLES)
        for source in sorted(set(examples["source"]) - {"human"}):
            found[f"{source}, train"] = examples.filter(pl.col("source") == source)
    return found


def _costs(config: Config, manifests: Mapping[str, Manifest], labels: Mapping[str, pl.DataFrame]) -> list[Cost]:
    costs = []
    human = [labels[f"human, {split}"] for split in _LEARNT if f"human, {split}" in labels]
    if human:
        queries = sum(table["query_id"].n_unique() for table in human)
        costs.append(
            Cost(f"{sum(table.height for table in human):,}", "human labels to learn from", counted(queries, "query"))
        )
    judged = sum(table.height for name, table in labels.items() if not name.startswith(("human", "assumed")))
    if judged:
        costs.append(Cost(f"{judged:,}", "judged labels", f"by the judge {config.label.judge!r}"))
    seconds = sum(each.seconds for each in manifests.values())
    costs.append(Cost(duration(seconds), "of computing", f"{counted(len(manifests), 'stage')} of relsearch run"))
    export = manifests["export"].figures if "export" in manifests else {}
    latency = _latency(config, export)
    shipped = f"{export.get('shipped')}_reranker"
    if shipped in latency:
        costs.append(Cost(f"{latency[shipped]:.0f} ms", "to rerank 100 documents", "on the machine that exported"))
    return costs


def _latency(config: Config, export: Mapping[str, object]) -> dict[str, float]:
    """Milliseconds per 100 documents of each arm's bundle, where the export compared two variants' speed."""
    found = {}
    for arm in arms(config):
        figures = export.get(arm)
        if isinstance(figures, dict) and "tried_fp32_speed_ratio" in figures:
            which = "reference" if figures["variant"] == "fp32" else "candidate"
            found[f"{arm}_reranker"] = float(str(figures[f"tried_fp32_ms_{which}"]))
    return found


def _curves(config: Config, manifests: Mapping[str, Manifest], artefacts: Artefacts) -> list[Curves]:
    """What rerankers and judge measured on dev queries, and their losses, as their training went on."""
    stages = {"human": "train-human", "augmented": "train-augmented", "optimized": "optimize"}
    cards = {
        f"{arm}_reranker": open_card(model_folder(artefacts, arm)) for arm in arms(config) if stages[arm] in manifests
    }
    looks = {name: [(entry.step, entry.ndcg10) for entry in card.history] for name, card in cards.items()}
    losses = {name: card.losses for name, card in cards.items() if card.losses}
    tuned = manifests["tune"].figures if "tune" in manifests else {}
    judge = {name: {"judge": _LOOKS.validate_python(tuned.get(name) or [])} for name in ("history", "losses")}
    found = [
        Curves("Rerankers: NDCG@10 on the dev queries by step; step 0 is the untrained start", looks),
        Curves("Rerankers: training loss by step, the mean since the point before", losses, least_best=True),
        Curves("Judge: log-likelihood of the dev labels by step; step 0 is the untrained start", judge["history"]),
        Curves("Judge: training loss by step, the mean since the point before", judge["losses"], least_best=True),
    ]
    return [curves for curves in found if any(curves.lines.values())]


def _provenance(config: Config, manifests: Mapping[str, Manifest]) -> dict[str, str]:
    last = max(reversed(list(manifests.values())), key=lambda each: each.created)
    return {
        "relsearch": last.version,
        "last stage": f"{last.stage}, {last.created}",
        "collection": str(config.collection.source),
        "scale": config.collection.scale,
        "first stage": ", ".join(map(str, config.pool.runs or config.index.searchers)),
        "encoder": " and ".join(filter(None, (config.train_encoder.model, config.train.second_encoder))),
        "reranker": f"{config.train.family}, base {config.train.base}",
        "judge": config.label.judge,
        "seed": str(config.seed),
        "bootstrap resamples": str(config.evaluate.resamples),
    }
