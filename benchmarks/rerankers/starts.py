"""Where a reranker should start, and by which loss it should learn.

`python -m benchmarks.rerankers.starts [--output runs/starts] [--minutes 4]` trains each arm for the same minutes on the
human labels of 2021 and a part of 2023 (a fifth of the queries for early stopping), then reranks BM25's top 100 of
2019. Some arms learn from 2022's pools as the ready judge grades them, too, or from queries written from documents
before. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A cut run goes on; the trained folders stay in OUTPUT/arms.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl
from scipy.special import expit

from benchmarks.folders import use_models
from benchmarks.record import record
from benchmarks.rerankers.by_hand import MAX_LENGTH, ByHand
from benchmarks.rerankers.few_labels import MEASURE, judged_pools, unlabelled_pools
from benchmarks.rerankers.ranking_losses import approximate_ranks, lambda_ndcg, pairwise
from benchmarks.rerankers.trec_dl import E5, SEED, chain_config, gather
from benchmarks.rerankers.written import written_examples
from relsearch.core.protocols import Scorer
from relsearch.core.settings.config import Config, TrainConfig
from relsearch.core.tables import CANDIDATES, read, write
from relsearch.encoders.encoder import Encoder, load_encoder
from relsearch.labels import augment as policy
from relsearch.measure.evaluate import evaluate
from relsearch.pipeline.order import run_verb
from relsearch.pipeline.stages.inputs import Artefacts, Pools, open_pools
from relsearch.pipeline.stages.runs import reorder
from relsearch.pipeline.stages.training import human_examples, train_on
from relsearch.rerank.card import Evaluation
from relsearch.rerank.cross.loss import Objective
from relsearch.rerank.cross.prior import Prior
from relsearch.rerank.families import open_model
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker
from relsearch.rerank.training.job import Texts, TrainReport

_ON_E5 = {"base": E5["model"], "encoder": E5}
_LATE = {"family": "late", "head_multiple": 10}


@dataclass(frozen=True)
class Arm:
    """One way to train.

    `start` is what the scores are before the first step; a distilled one learns the cosine in the first half of the
    minutes. `written`: written queries have the first half of them. `judged`: so labelled pools of 2022 join the human
    labels.
    """

    name: str
    start: Literal["cosine", "nothing", "distilled"] = "cosine"
    train: Mapping[str, Any] = field(default_factory=dict)
    judged: Literal["soft", "hard"] | None = None
    written: bool = False
    objective: Objective | None = None
    pooling: Literal["first", "mean"] = "first"

    @property
    def usual(self) -> bool:
        """Whether it is what `train` does, in some settings."""
        return self.start == "cosine" and self.pooling == "first" and not self.written and self.objective is None


RESIDUAL = "cross-encoder, residual on the cosine"
ARMS = (
    Arm(RESIDUAL),
    Arm("cross-encoder from nothing", start="nothing"),
    Arm("cross-encoder, cosine distilled first", start="distilled"),
    Arm("residual, listwise loss alone", train={"pointwise_weight": 0.0}),
    Arm("residual, pointwise loss alone", train={"listwise_weight": 0.0}),
    Arm("residual, pairwise loss", objective=pairwise),
    Arm("residual, LambdaRank's loss", objective=lambda_ndcg),
    Arm("residual, ADR-MSE", objective=approximate_ranks),
    Arm("residual, mean pooling", pooling="mean"),
    Arm("residual, human and judged labels", judged="soft"),
    Arm("residual, human and judged labels, hard", judged="hard"),
    Arm("residual, written queries first", written=True),
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
    trial = Trial(config, open_pools(config))
    runs = {"bm25": trial.first_stage, **trial.cosines}
    figures = {}
    for arm in ARMS:
        runs[arm.name], figures[arm.name] = trial.run(arm)
        print(f"{arm.name}: {figures[arm.name]}", flush=True)
    qrels = trial.pools.collected.human_in("test")
    first = {RESIDUAL: runs.pop(RESIDUAL)}
    result = evaluate(qrels, first | runs, measures=[MEASURE], resamples=2000, seed=SEED)
    print(result.to_table())
    record("starts", {"arms": figures, "minutes": arguments.minutes, **result.to_json()}, seed=SEED)


@dataclass(frozen=True)
class Trial:
    """The arms on one collection."""

    config: Config
    pools: Pools

    @property
    def first_stage(self) -> pl.DataFrame:
        """BM25's run of the test queries."""
        return self.pools.first_stage.filter(pl.col("query_id").is_in(self.pools.collected.split("test")))

    @property
    def cosines(self) -> dict[str, pl.DataFrame]:
        """What the untrained bases make of it."""
        found, pairs = {}, self.pools.collected.pairs(self.first_stage)
        for name, arm in (("cosine of MiniLM-L6", Arm("")), ("cosine of e5-small-v2", Arm("", train=_ON_E5))):
            encoder = load_encoder(self._config(arm).train_encoder, keep=Artefacts(self.config.output).vectors)
            found[name] = reorder(self.first_stage, encoder.cosines(pairs).tolist())
        return found

    def run(self, arm: Arm) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Return the arm's run of the test queries and what its training did; a finished arm is read."""
        folder = self.config.output / "arms" / "".join(c for c in arm.name.replace(" ", "-") if c not in ",'")
        path, about = folder / "run.parquet", folder / "arm.json"
        if not about.is_file():
            history, scorer = self._train(arm, folder)
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
        config = self.config
        return config.model_copy(update={"train": TrainConfig.model_validate({**config.train.model_dump(), **train})})

    def _train(self, arm: Arm, folder: Path) -> tuple[Sequence[Evaluation], Scorer]:
        """Train into a folder; return the looks at the dev queries and the scorer."""
        config, pools = self._config(arm), self.pools
        examples = self._examples(arm, config)
        if arm.usual:
            return _trained(config, pools, examples, folder).card.history, open_model(folder)
        way = ByHand(config, pools, prior=arm.start == "cosine", objective=arm.objective, pooling=arm.pooling)
        first, queries = [], dict(pools.collected.query_texts)
        if arm.start == "distilled":
            first = [self._pools(way.encoder, examples)]
        if arm.written:
            written = written_examples(config, pools)
            first, queries = [written.examples], {**queries, **written.queries}
        return way.train([*first, examples], self._texts(config, queries, [*first, examples]), folder)

    def _examples(self, arm: Arm, config: Config) -> pl.DataFrame:
        if arm.judged is None:
            return human_examples(config, "train", pools=self.pools)
        judged, pools = judged_pools(config, self.pools, config.output / "judged"), self.pools
        return policy.augment(
            pools.labels,
            judged,
            queries=pools.collected.split("train", "unlabelled"),
            scale=config.scale,
            config=config.augment.model_copy(update={"labels": arm.judged}),
        )

    def _pools(self, encoder: Encoder, examples: pl.DataFrame) -> pl.DataFrame:
        """The unlabelled pools, with the cosine's probability of relevance as gain."""
        collected = self.pools.collected
        prior = Prior.fit(encoder.cosines(collected.pairs(examples)), examples["gain"])
        pools = unlabelled_pools(self.pools)
        gains = pl.Series(expit(prior.logits(encoder.cosines(collected.pairs(pools)))))
        return pools.select("query_id", "doc_id", gain=gains, weight=pl.lit(1.0))

    def _texts(self, config: Config, queries: Mapping[str, str], examples: Sequence[pl.DataFrame]) -> Texts:
        every = [*examples, human_examples(config, "dev", pools=self.pools)]
        documents = self.pools.collected.texts(doc_id for each in every for doc_id in each["doc_id"])
        return Texts(queries, documents, config.collection.template)

    def _reranked(self, scorer: Scorer) -> pl.DataFrame:
        texts = {pair.doc_id: pair.text for pair in self.pools.collected.pairs(self.first_stage)}
        return rerank_run(self.first_stage, self.pools.collected.query_texts, texts, Reranker(scorer), depth=100)


def _trained(config: Config, pools: Pools, examples: pl.DataFrame, folder: Path) -> TrainReport:
    return train_on(
        config,
        examples,
        dev=human_examples(config, "dev", pools=pools),
        collected=pools.collected,
        vectors=Artefacts(config.output).vectors,
        output=folder,
    )


if __name__ == "__main__":
    main()
