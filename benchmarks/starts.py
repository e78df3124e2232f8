"""Where a reranker should start: cross-encoders from nothing, from a distilled cosine and as a residual on it.

`python -m benchmarks.starts [--output runs/starts] [--minutes 4]` trains each arm for the same minutes on the human
labels of 2021 and a part of 2023 (a fifth of the queries for early stopping), then reranks BM25's top 100 of 2019. One
arm learns from 2022's pools as the ready judge grades them, too. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A
cut run goes on; the trained folders stay in OUTPUT/arms.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.special import expit

from benchmarks.chain_trec_dl import E5, SEED, chain_config, gather
from benchmarks.few_labels import MEASURE, judged_pools, unlabelled_pools
from benchmarks.folders import use_models
from benchmarks.record import record
from relsearch import augment as policy
from relsearch.config import Config, TrainConfig
from relsearch.encoder import load_encoder
from relsearch.evaluate import evaluate
from relsearch.pipeline import run_verb
from relsearch.protocols import Scorer
from relsearch.rerank.callbacks import BEST, KeepBest
from relsearch.rerank.families import open_model
from relsearch.rerank.fit import fit
from relsearch.rerank.lists import build_lists
from relsearch.rerank.rank import rerank_run
from relsearch.rerank.start import load_start
from relsearch.rerank.torch_scorer import load_model, residuals
from relsearch.rerank.train import rows_of
from relsearch.rerank.training import Texts, dev_set_of
from relsearch.stages.context import Context
from relsearch.stages.runs import reorder
from relsearch.stages.training import human_examples, train_on
from relsearch.tables import CANDIDATES, read, write

MAX_LENGTH = 160
_ON_E5 = {"base": E5["model"], "encoder": E5}
_LATE = {"family": "late", "head_multiple": 10}


@dataclass(frozen=True)
class Arm:
    """One way to train; `start` is what the scores are before the first step.

    A distilled one learns the cosine in the first half of the minutes.
    """

    name: str
    start: Literal["cosine", "nothing", "distilled"] = "cosine"
    train: Mapping[str, Any] = field(default_factory=dict)
    judged: bool = False


RESIDUAL = "cross-encoder, residual on the cosine"
ARMS = (
    Arm(RESIDUAL),
    Arm("cross-encoder from nothing", start="nothing"),
    Arm("cross-encoder, cosine distilled first", start="distilled"),
    Arm("residual, listwise loss alone", train={"pointwise_weight": 0.0}),
    Arm("residual, pointwise loss alone", train={"listwise_weight": 0.0}),
    Arm("residual, human and judged labels", judged=True),
    Arm("late interaction", train=_LATE),
    Arm("residual, on e5-small-v2", train=_ON_E5),
    Arm("late interaction, on e5-small-v2", train=_LATE | _ON_E5),
)


def main() -> None:
    """Train every arm that has no run yet, then measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/starts"))
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=240, help="at most, in these minutes")
    arguments = parser.parse_args()
    use_models()
    gather(arguments.output / "gathered")
    config = chain_config(arguments.output, family="cross", minutes=arguments.minutes, steps=arguments.steps)
    for verb in ("collect", "index", "pool"):
        list(run_verb(verb, config))
    trial = Trial(Context(config))
    runs = {"bm25": trial.first_stage, **trial.cosines}
    figures = {}
    for arm in ARMS:
        runs[arm.name], figures[arm.name] = trial.run(arm)
        print(f"{arm.name}: {figures[arm.name]}", flush=True)
    qrels = trial.context.human.filter(pl.col("query_id").is_in(trial.context.split("test")))
    first = {RESIDUAL: runs.pop(RESIDUAL)}
    result = evaluate(qrels, first | runs, measures=[MEASURE], resamples=2000, seed=SEED)
    print(result.to_table())
    record("starts", {"arms": figures, "minutes": arguments.minutes, **result.to_json()}, seed=SEED)


class WithoutPrior:
    """A cross-encoder whose scores are its own alone."""

    def __init__(self, folder: Path) -> None:
        self._model = load_model(folder, max_length=MAX_LENGTH)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return a score a text."""
        scores: list[float] = residuals(self._model, [(query, text) for text in texts]).tolist()
        return scores


@dataclass(frozen=True)
class Trial:
    """The arms on one collection."""

    context: Context

    @property
    def first_stage(self) -> pl.DataFrame:
        """BM25's run of the test queries."""
        return self.context.first_stage.filter(pl.col("query_id").is_in(self.context.split("test")))

    @property
    def cosines(self) -> dict[str, pl.DataFrame]:
        """What the untrained bases make of it."""
        found, pairs = {}, self.context.pairs(self.first_stage)
        for name, arm in (("cosine of MiniLM-L6", Arm("")), ("cosine of e5-small-v2", Arm("", train=_ON_E5))):
            encoder = load_encoder(self._config(arm).train_encoder, keep=self.context.vectors)
            found[name] = reorder(self.first_stage, encoder.cosines(pairs).tolist())
        return found

    def run(self, arm: Arm) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Return the arm's run of the test queries and what its training did; a finished arm is read."""
        folder = self.context.config.output / "arms" / arm.name.replace(",", "").replace(" ", "-")
        path, about = folder / "run.parquet", folder / "arm.json"
        if not about.is_file():
            history = self._train(arm, folder)
            scorer = open_model(folder) if arm.start == "cosine" else WithoutPrior(folder / BEST)
            write(self._reranked(scorer), path, CANDIDATES)
            best = max(history, key=lambda look: look.ndcg10)
            figures = {
                "steps": history[-1].step,
                "best_step": best.step,
                "seconds": round(history[-1].seconds),
                "dev_ndcg10": [round(history[0].ndcg10, 4), round(best.ndcg10, 4)],
            }
            about.write_text(json.dumps(figures), encoding="utf-8")
        return read(path, CANDIDATES), json.loads(about.read_text("utf-8"))

    def _config(self, arm: Arm) -> Config:
        train = {"dev_depth": 40, "max_length": MAX_LENGTH, "epochs": 20, **arm.train}
        config = self.context.config
        return config.model_copy(update={"train": TrainConfig.model_validate({**config.train.model_dump(), **train})})

    def _train(self, arm: Arm, folder: Path) -> Sequence[Any]:
        """Train into a folder and return the looks at the dev queries."""
        context = replace(self.context, config=self._config(arm))
        examples = human_examples(context, "train")
        if arm.judged:
            judged, config = judged_pools(context, context.config.output / "judged"), context.config
            queries = context.split("train", "unlabelled")
            examples = policy.augment(
                context.labels, judged, queries=queries, scale=config.scale, config=config.augment
            )
        if arm.start == "cosine":
            return train_on(context, examples, output=folder).card.history
        return self._without_prior(context, examples, folder, distil=arm.start == "distilled")

    def _without_prior(self, context: Context, examples: pl.DataFrame, folder: Path, *, distil: bool) -> Sequence[Any]:
        train, size = context.config.train, context.config.train.documents_per_query
        model = load_start(train.base, max_length=MAX_LENGTH, seed=SEED)
        if distil:
            encoder = load_encoder(context.config.train_encoder, keep=context.vectors)
            texts = self._texts(context, examples)
            prior, _ = rows_of(build_lists(examples, size=size, epochs=1, seed=SEED), texts, encoder)
            pools = unlabelled_pools(context)
            gains = pl.Series(expit(prior.logits(encoder.cosines(context.pairs(pools)))))
            pools = pools.select("query_id", "doc_id", gain=gains, weight=pl.lit(1.0))
            train = train.model_copy(update={"minutes": train.minutes / 2, "max_steps": train.max_steps // 2})
            self._fit(model, context, pools, train, folder / "distilled")
            model = load_model(folder / "distilled" / BEST, max_length=MAX_LENGTH)
        return self._fit(model, context, examples, train, folder)

    def _fit(
        self, model: Any, context: Context, examples: pl.DataFrame, train: TrainConfig, folder: Path
    ) -> Sequence[Any]:
        """Train on examples with nothing added to the scores; return the looks at the dev queries."""
        dev_examples, scale = human_examples(context, "dev"), context.config.scale
        encoder = load_encoder(context.config.train_encoder, keep=context.vectors)
        texts = self._texts(context, examples, dev_examples)
        lists = build_lists(examples, size=train.documents_per_query, epochs=train.epochs, seed=SEED)
        prior, rows = rows_of(lists[: train.max_steps], texts, encoder)
        blank_rows = [row | {"priors": [0.0] * len(row["priors"])} for row in rows]
        dev = dev_set_of(dev_examples, texts, encoder, prior=prior, scale=scale, depth=train.dev_depth)
        blank = replace(dev, priors=np.zeros_like(dev.priors))
        keep = KeepBest(folder, patience=train.patience, minutes=train.minutes)
        fit(model, blank_rows, blank, keep=keep, config=train, seed=SEED, output=folder)
        return keep.history

    @staticmethod
    def _texts(context: Context, *examples: pl.DataFrame) -> Texts:
        documents = context.texts(doc_id for each in examples for doc_id in each["doc_id"])
        return Texts(context.query_texts, documents, context.config.collection.template)

    def _reranked(self, scorer: Scorer) -> pl.DataFrame:
        texts = {pair.doc_id: pair.text for pair in self.context.pairs(self.first_stage)}
        return rerank_run(self.first_stage, self.context.query_texts, texts, scorer, depth=100)


if __name__ == "__main__":
    main()
