"""Stages that rank: train rerankers, export them, rerank the test queries, measure."""

from __future__ import annotations

import shutil
from functools import partial

import polars as pl

from relsearch import augment as policy
from relsearch import tables
from relsearch.artifacts import Building
from relsearch.config import Config, EncoderConfig
from relsearch.evaluate import evaluate as evaluate_runs
from relsearch.exporters.trec import write_run
from relsearch.stages.context import Context

ARMS = ("human", "augmented")


def train_human(context: Context, work: Building) -> None:
    """Train a reranker on the human labels of training queries alone: the baseline of augmentation."""
    _train(context, work, _human_examples(context, "train"))


def train_augmented(context: Context, work: Building) -> None:
    """Train a reranker on human and judged labels."""
    _train(context, work, tables.read(context.path("augment", "examples.parquet"), tables.EXAMPLES))


def export(context: Context, work: Building) -> None:
    """Export both rerankers, and ship the one that ranks the dev queries better."""
    from relsearch.exporters.late import export_late
    from relsearch.exporters.onnx import Labelled, export_bundle
    from relsearch.rerank.families import open_card

    config = context.config
    dev = context.human.filter(pl.col("query_id").is_in(context.split("dev"))).sort("query_id", "doc_id")
    labelled = Labelled.of(context.pairs(dev), dev, config.scale)
    write = export_late if config.train.family == "late" else export_bundle
    scores = {}
    for arm in ARMS:
        model = context.path(f"train-{arm}")
        report = write(model, work.directory / arm, labelled=labelled, config=config.export)
        scores[arm] = open_card(model).dev_ndcg10
        work.figures[arm] = {**report.figures()}
    best = max(ARMS, key=lambda arm: scores[arm])
    shutil.copytree(work.directory / best, work.directory / "bundle", dirs_exist_ok=True)
    size = sum(path.stat().st_size for path in (work.directory / "bundle").iterdir())
    work.figures |= {"shipped": best, "bundle_mb": round(size / 1e6, 1)}


def rerank(context: Context, work: Building) -> None:
    """Write the test queries' runs: first stage, untrained cosines, and each bundle over the first stage."""
    from relsearch.encoder import load_encoder
    from relsearch.rerank.families import open_scorer
    from relsearch.rerank.rank import rerank_run

    depth = context.config.pool.depth
    first = context.first_stage.filter(pl.col("query_id").is_in(context.split("test")))
    pairs = context.pairs(first)
    runs = {"bm25": first}
    for name, encoder in _baselines(context.config).items():
        runs[name] = _reorder(first, load_encoder(encoder).cosines(pairs).tolist())
    texts = {pair.doc_id: pair.text for pair in pairs}
    for arm in ARMS:
        scorer = open_scorer(context.path("export", arm))
        runs[f"{arm}_reranker"] = rerank_run(first, context.query_texts, texts, scorer, depth=depth)
    for name, run in runs.items():
        write_run(run, work.directory / f"{name}.trec", tag=name)
        tables.write(run, work.directory / f"{name}.parquet", tables.CANDIDATES)
    work.figures |= {"runs": len(runs), "queries": first["query_id"].n_unique()}


def evaluate(context: Context, work: Building) -> None:
    """Measure the runs against the test queries' human labels, each against the first stage and all before it."""
    config = context.config
    qrels = context.human.filter(pl.col("query_id").is_in(context.split("test")))
    names = ("bm25", *_baselines(config), *(f"{arm}_reranker" for arm in ARMS))
    runs = {name: tables.read(context.path("rerank", f"{name}.parquet"), tables.CANDIDATES) for name in names}
    measure = partial(
        evaluate_runs,
        qrels,
        measures=config.evaluate.measures,
        resamples=config.evaluate.resamples,
        seed=config.seed,
    )
    against = {
        baseline: measure({name: runs[name] for name in names[place:]}) for place, baseline in enumerate(names[:-1])
    }
    result = against["bm25"]
    tests = {baseline: each.to_json()["against_first"] for baseline, each in against.items()}
    work.figures |= {"result": result.to_json(), "table": result.to_table(), "against": tests}


def _train(context: Context, work: Building, examples: pl.DataFrame) -> None:
    from relsearch.rerank.families import train
    from relsearch.rerank.training import Texts

    config = context.config
    dev = _human_examples(context, "dev")
    doc_ids = [*examples["doc_id"], *dev["doc_id"]]
    sources = examples.group_by("source").len().sort("source").rows()
    report = train(
        examples,
        dev,
        texts=Texts(context.query_texts, context.texts(doc_ids), config.collection.template),
        config=config.train,
        encoder=config.train_encoder,
        scale=config.scale,
        seed=config.seed,
        output=work.directory,
        training_data=", ".join(f"{count} {source} labels" for source, count in sources),
    )
    work.figures |= {
        "dev_ndcg10": report.card.dev_ndcg10,
        "dev_ndcg10_cosine": report.card.dev_ndcg10_cosine,
        "best_step": report.card.best_step,
        "steps": report.steps,
        "pairs_per_s": report.pairs_per_s,
    }


def _baselines(config: Config) -> dict[str, EncoderConfig]:
    """The untrained encoders that a reranker has to beat, by the name of their run."""
    encoders = {"cosine": config.train_encoder}
    if config.judge_encoder != config.train_encoder:
        encoders["judge_cosine"] = config.judge_encoder
    return encoders


def _human_examples(context: Context, split: str) -> pl.DataFrame:
    config = context.config
    return policy.augment(context.human, None, queries=context.split(split), scale=config.scale, config=config.augment)


def _reorder(first: pl.DataFrame, scores: list[float]) -> pl.DataFrame:
    """Return the run in the order of new scores; ties keep the first stage's order."""
    ordered = (
        first.with_columns(score=pl.Series(scores, dtype=pl.Float64))
        .sort("query_id", "score", "rank", descending=[False, True, False], maintain_order=True)
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"))
    )
    return ordered.select(pl.col(name).cast(kind) for name, kind in tables.CANDIDATES.items())
