"""The stage that optimises: rounds of rank, pool, judge and train, then a search over settings; measured on dev."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from relsearch.core import tables
from relsearch.core.files.atomic import copy_folder, recover, replace_text
from relsearch.core.settings.config import AugmentConfig, Config, TrainConfig
from relsearch.labels import augment as policy
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.optimisation import BestSettings, Round, rounds, rounds_table, search, settings_toml
from relsearch.pipeline.stages.folds import FOLDS, is_cross_validated, watched, with_repeats
from relsearch.pipeline.stages.inputs import Artefacts, Pools, of_queries
from relsearch.pipeline.stages.label import judge_wanted, judged, synthetic
from relsearch.pipeline.stages.runs import reranked
from relsearch.pipeline.stages.training import train_on
from relsearch.rerank.card import CARD
from relsearch.rerank.families import open_card

_PAIR = ["query_id", "doc_id"]
_BEST, _ROUNDS, _TRIAL = "model", "rounds", "trial"


def optimize(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Judge what new rankers bring up while that pays, then search for settings; keep the model that is best on dev."""
    limits = config.optimize
    bench = Bench(config, work.directory, pools=pools.without_test(), artefacts=artefacts)
    made: list[Round] = []
    for each in rounds(bench.round, most=limits.rounds, min_gain=limits.min_gain, start=bench.start):
        made.append(each)
        if bench.minutes_left <= 0:
            break
    found = search(bench.objective, config, work.directory / "study.journal", minutes=bench.minutes_left)
    if found:
        (work.directory / "best.toml").write_text(settings_toml(found), encoding="utf-8")
    tables.write(bench.labels, work.directory / "judgments.parquet", tables.JUDGMENTS)
    for folder in (_ROUNDS, _TRIAL):
        shutil.rmtree(work.directory / folder, ignore_errors=True)
    work.figures |= {
        "dev_ndcg10_start": bench.start,
        "dev_ndcg10": bench.best,
        "rounds": [asdict(each) for each in made],
        "trials": _figures(found) if found else None,
        "table": _table(made, found, bench),
    }


class Bench:
    """What rounds and trials share: labels so far, the best model so far, the time that was spent.

    All of it is in the folder, so that a cut optimisation goes on: each finished round with its figures, the best
    model. Labels are kept in the pipeline's store.
    """

    def __init__(self, config: Config, folder: Path, *, pools: Pools, artefacts: Artefacts) -> None:
        self._config, self._pools, self._artefacts = config, pools, artefacts
        self._folder = folder
        self._written, labels = synthetic(config, artefacts)
        # Without a dev split the first fold is watched, by models that leave it out.
        self._watched = watched(config, pools.collected)
        apart = with_repeats(config, pools.collected, self._watched)
        self._learning = pools.collected.split("train", "unlabelled") - apart
        self._queries = self._learning | set(self._written["query_id"])
        self.labels = pl.concat([of_queries(judged(artefacts), self._learning), labels])
        self._ranker = artefacts.path("train-augmented", *([FOLDS, "0"] if is_cross_validated(pools.collected) else []))
        self.start = open_card(self._ranker).dev_ndcg10
        recover(folder / _BEST)
        if not (folder / _BEST / CARD).is_file():
            copy_folder(self._ranker, folder / _BEST)
        self._spent_s = 0.0

    @property
    def best(self) -> float:
        """Dev NDCG@10 of the best model so far."""
        return open_card(self._folder / _BEST).dev_ndcg10

    @property
    def min_gain(self) -> float:
        """What a round must add."""
        return self._config.optimize.min_gain

    @property
    def minutes_left(self) -> float:
        """What the rounds left of the budget."""
        return self._config.optimize.minutes - self._spent_s / 60

    def round(self, number: int) -> tuple[int, int, float]:
        """Judge what the last ranker brings up, train on all labels; return new labels, examples, dev NDCG@10."""
        folder = self._folder / _ROUNDS / str(number)
        record = folder / "round.json"
        if not record.is_file():
            started = time.monotonic()
            new = self._judge(self._brought_up())
            tables.write(new, folder / "judgments.parquet", tables.JUDGMENTS)
            given = new.drop_nulls("grade").height
            examples, ndcg10 = 0, open_card(self._ranker).dev_ndcg10
            if given:
                examples, ndcg10 = self._train(
                    pl.concat([self.labels, new]), self._config.augment, self._config.train, folder
                )
            seconds = time.monotonic() - started
            replace_text(record, json.dumps([given, examples, ndcg10, seconds]))
        judged_pairs, examples, ndcg10, seconds = json.loads(record.read_text(encoding="utf-8"))
        self.labels = pl.concat([self.labels, tables.read(folder / "judgments.parquet", tables.JUDGMENTS)])
        self._ranker = folder / "trained" if judged_pairs else self._ranker
        self._spent_s += seconds
        return judged_pairs, examples, ndcg10

    def objective(self, augment: AugmentConfig, train: TrainConfig, *, share: float) -> float:
        """Train on all labels under settings, for a share of the steps; return dev NDCG@10."""
        short = {"epochs": train.epochs * share, "minutes": train.minutes * share}
        part = train.model_copy(update={**short, "max_steps": max(1, round(train.max_steps * share))})
        folder = self._folder / _TRIAL
        shutil.rmtree(folder, ignore_errors=True)
        return self._train(self.labels, augment, part, folder)[1]

    def _brought_up(self) -> pl.DataFrame:
        """Pairs at the head of the last ranker's order that neither a person nor the judge has labelled."""
        from relsearch.rerank.families import open_model
        from relsearch.rerank.reranker import Reranker

        config, collected = self._config, self._pools.collected
        reranker = Reranker(open_model(self._ranker, exact=False), config.collection.template)
        pool = of_queries(self._pools.candidates, self._learning)
        ranked = reranked(config, pool, reranker, collected=collected)
        head = ranked.filter(pl.col("rank") <= config.optimize.repool_depth).select(_PAIR)
        return head.join(collected.human, on=_PAIR, how="anti").join(self.labels, on=_PAIR, how="anti").sort(_PAIR)

    def _judge(self, wanted: pl.DataFrame) -> pl.DataFrame:
        from relsearch.pipeline.stages.judges import judge_of

        if wanted.is_empty():
            return self.labels.clear()
        pool = self._pools.head(self._config.label.depth)
        return judge_wanted(
            judge_of(self._config, pools=self._pools, artefacts=self._artefacts),
            wanted,
            pl.concat([pool.select(_PAIR), self.labels.select(_PAIR)]),
            config=self._config,
            collected=self._pools.collected,
            vectors=self._artefacts.vectors,
            store=self._artefacts.judgments,
        ).labels

    def _train(
        self, labels: pl.DataFrame, augment: AugmentConfig, train: TrainConfig, folder: Path
    ) -> tuple[int, float]:
        """Train into the folder and keep the model if it is the best so far; return examples and dev NDCG@10."""
        config, pools = self._config, self._pools
        examples = policy.augment(
            pools.labels,
            labels,
            queries=self._queries,
            scale=config.scale,
            config=augment,
            synthetic=set(self._written["query_id"]),
        )
        written = dict(self._written.select("query_id", "text").iter_rows())
        report = train_on(
            config,
            examples,
            dev=policy.human_examples(pools.labels, queries=self._watched, scale=config.scale),
            collected=pools.collected,
            vectors=self._artefacts.vectors,
            written=written,
            train=train,
            output=folder / "trained",
        )
        if report.card.dev_ndcg10 > self.best:
            copy_folder(folder / "trained", self._folder / _BEST)
        return examples.height, report.card.dev_ndcg10


def _figures(best: BestSettings) -> dict[str, JsonValue]:
    return {
        "finished": best.finished,
        "pruned": best.pruned,
        "dev_ndcg10": best.value,
        "dev_ndcg10_configured": best.configured,
    }


def _table(made: list[Round], best: BestSettings | None, bench: Bench) -> str:
    lines = [rounds_table(made)] if made else []
    if made:
        paid = sum(each.gain >= bench.min_gain and each.judged > 0 for each in made)
        lines.append(f"{paid} of {len(made)} rounds paid.")
    if best:
        lines.append(
            f"{best.finished + best.pruned} trials, {best.pruned} pruned: dev NDCG@10 {best.value:.4f}, "
            f"{best.configured:.4f} as configured."
        )
    return "\n".join([*lines, f"Dev NDCG@10: {bench.start:.4f} before, {bench.best:.4f} now."])
