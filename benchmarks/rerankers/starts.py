"""What a reranker should start from: base, family, and whose labels.

`python -m benchmarks.rerankers.starts [--output runs/starts] [--minutes 4]` trains each arm for the same minutes on the
human labels of 2021 and a part of 2023 (a fifth of the queries for early stopping), then reranks BM25's top 100 of
2019. One arm learns from 2022's pools as the ready judge grades them, too. docs/decisions.md has the starts and losses
that lost. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A cut run goes on; trained folders stay in OUTPUT/arms. Its
table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.record import record
from benchmarks.rerankers.trec_dl import E5, UNLABELLED, chain_config, gather
from benchmarks.rerankers.trial import Trial, kept_figures, kept_run
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import Config, TrainConfig
from relsearch.judge.registry import open_judge
from relsearch.judge.store.judgment_store import judge_all
from relsearch.pipeline.stages.training import human_examples
from relsearch.rerank.families import open_model

_ON_E5 = {"base": E5["model"], "encoder": E5}
JUDGED_DEPTH = 40
_LATE = {"family": "late", "head_multiple": 10}


@dataclass(frozen=True)
class Arm:
    """One way to train: settings of `[train]`; `judged`: graded pools of 2022 join the human labels."""

    train: Mapping[str, Any] = field(default_factory=dict)
    judged: bool = False


RESIDUAL = "cross-encoder, residual on the cosine"
ARMS = {
    RESIDUAL: Arm(),
    "residual, human and judged labels": Arm(judged=True),
    "late interaction": Arm(_LATE),
    "residual, on e5-small-v2": Arm(_ON_E5),
    "late interaction, on e5-small-v2": Arm(_LATE | _ON_E5),
}


def main() -> None:
    """Train every arm that has no run yet, then measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/starts"))
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=240, help="at most, in these minutes")
    arguments = parser.parse_args()
    use_models()
    gather(arguments.output / "gathered")
    trial = Trial(chain_config(arguments.output, family="cross", minutes=arguments.minutes, steps=arguments.steps))
    runs = {"bm25": trial.first_stage}
    for name, arm in (("cosine of MiniLM-L6", Arm()), ("cosine of e5-small-v2", Arm(_ON_E5))):
        runs[name] = trial.cosine(_config(trial, arm).train_encoder)
    figures = {}
    for name, arm in ARMS.items():
        folder = arguments.output / "arms" / name.replace(" ", "-").replace(",", "")
        figures[name] = kept_figures(folder / "arm.json", partial(_train, trial, arm, folder))
        runs[name] = kept_run(folder / "run.parquet", partial(_reranked, trial, folder))
        print(f"{name}: {figures[name]}", flush=True)
    result = trial.compared({RESIDUAL: runs.pop(RESIDUAL)} | runs)
    record("starts", {"arms": figures, "minutes": arguments.minutes, **result.to_json()}, seed=SEED)


def _config(trial: Trial, arm: Arm) -> Config:
    config = trial.config
    train = {"dev_depth": 40, "max_length": 160, "epochs": 20, **arm.train}
    return config.model_copy(update={"train": TrainConfig.model_validate({**config.train.model_dump(), **train})})


def _train(trial: Trial, arm: Arm, folder: Path) -> dict[str, Any]:
    """Train into a folder; return its steps, the kept one, and NDCG@10 of dev at first and best."""
    config, pools = _config(trial, arm), trial.pools
    examples, dev = (human_examples(config, split, pools=pools) for split in ("train", "dev"))
    if arm.judged:
        judged = judged_pools(trial, config.output / "judged")
        examples = trial.examples(trial.collected.split("train", "unlabelled"), judged, labels=pools.labels)
    history = trial.train(examples, dev, folder, config=config).card.history
    best = max(history, key=lambda look: look.ndcg10)
    return {
        "steps": history[-1].step,
        "best_step": best.step,
        "seconds": round(history[-1].seconds),
        "dev_ndcg10": [round(history[0].ndcg10, 4), round(best.ndcg10, 4)],
    }


def judged_pools(trial: Trial, folder: Path) -> pl.DataFrame:
    """Return the ready judge's grades of the heads of BM25's runs of 2022; they are kept in the folder."""
    heads = pl.col("query_id").str.starts_with(f"{UNLABELLED}:") & (pl.col("rank") <= JUDGED_DEPTH)
    pairs = trial.collected.pairs(trial.pools.candidates.filter(heads).sort("query_id", "doc_id"))
    return judge_all(open_judge(trial.config, keep=trial.vectors), pools_of(pairs), folder)


def _reranked(trial: Trial, folder: Path) -> pl.DataFrame:
    return trial.reranked(open_model(folder))


if __name__ == "__main__":
    main()
