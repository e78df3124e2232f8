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
from relsearch.core.files.atomic import copy_folder, replace_text
from relsearch.core.settings.config import AugmentConfig, TrainConfig
from relsearch.labels import augment as policy
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.optimisation import Found, Round, rounds, rounds_table, search, settings_toml
from relsearch.pipeline.stages.context import Context, WithoutTest
from relsearch.pipeline.stages.label import judge_beside, judged, synthetic
from relsearch.pipeline.stages.training import train_on
from relsearch.rerank.card import CARD
from relsearch.rerank.families import open_card

_PAIR = ["query_id", "doc_id"]
_BEST, _ROUNDS, _TRIAL = "model", "rounds", "trial"


def optimize(context: Context, work: Building) -> None:
    """Judge what new rankers bring up while that pays, then search for settings; keep the model that is best on dev."""
    config = context.config.optimize
    bench = Bench(WithoutTest(context.config), work.directory)
    made: list[Round] = []
    for each in rounds(bench.round, most=config.rounds, min_gain=config.min_gain, start=bench.start):
        made.append(each)
        if bench.minutes_left <= 0:
            break
    found = search(bench.objective, context.config, work.directory / "study.journal", minutes=bench.minutes_left)
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

    All of it is in the folder, so that a cut optimisation goes on: each finished round with its figures, the labels in
    their store, the best model.
    """

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._written, labels = synthetic(context)
        learning = context.split("train", "unlabelled")
        self._queries = learning | set(self._written["query_id"])
        known = judged(context).filter(pl.col("query_id").is_in(sorted(learning)))
        self.labels = pl.concat([known, labels])
        self.start = open_card(context.path("train-augmented")).dev_ndcg10
        if not (folder / _BEST / CARD).is_file():
            copy_folder(context.path("train-augmented"), folder / _BEST)
        self._ranker = context.path("train-augmented")
        self._spent_s = 0.0

    @property
    def best(self) -> float:
        """Dev NDCG@10 of the best model so far."""
        return open_card(self._folder / _BEST).dev_ndcg10

    @property
    def min_gain(self) -> float:
        """What a round must add."""
        return self._context.config.optimize.min_gain

    @property
    def minutes_left(self) -> float:
        """What the rounds left of the budget."""
        return self._context.config.optimize.minutes - self._spent_s / 60

    def round(self, number: int) -> tuple[int, int, float]:
        """Judge what the last ranker brings up, train on all labels; return judged pairs, examples, dev NDCG@10."""
        folder = self._folder / _ROUNDS / str(number)
        record = folder / "round.json"
        if not record.is_file():
            started = time.monotonic()
            new = self._judge(self._brought_up(), folder)
            tables.write(new, folder / "judgments.parquet", tables.JUDGMENTS)
            config, examples, ndcg10 = self._context.config, 0, open_card(self._ranker).dev_ndcg10
            if not new.is_empty():
                examples, ndcg10 = self._train(pl.concat([self.labels, new]), config.augment, config.train, folder)
            seconds = time.monotonic() - started
            replace_text(record, json.dumps([new.height, examples, ndcg10, seconds]))
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
        from relsearch.rerank.reorder import rerank_run
        from relsearch.rerank.reranker import Reranker

        context = self._context
        learning = sorted(context.split("train", "unlabelled"))
        pool = context.candidates.filter(pl.col("query_id").is_in(learning))
        texts, depth = context.texts(pool["doc_id"]), context.config.pool.depth
        reranker = Reranker(open_model(self._ranker, exact=False), context.config.collection.template)
        ranked = rerank_run(pool, context.query_texts, texts, reranker, depth=depth)
        head = ranked.filter(pl.col("rank") <= context.config.optimize.repool_depth).select(_PAIR)
        return head.join(context.human, on=_PAIR, how="anti").join(self.labels, on=_PAIR, how="anti").sort(_PAIR)

    def _judge(self, wanted: pl.DataFrame, folder: Path) -> pl.DataFrame:
        from relsearch.pipeline.stages.judges import judge_of

        context = self._context
        if wanted.is_empty():
            return self.labels.clear()
        pool = context.candidates.filter(pl.col("rank") <= context.config.label.depth)
        known = pl.concat([pool.select(_PAIR), self.labels.select(_PAIR)])
        return judge_beside(judge_of(context), wanted, known, context, folder / "store").labels

    def _train(
        self, labels: pl.DataFrame, augment: AugmentConfig, train: TrainConfig, folder: Path
    ) -> tuple[int, float]:
        """Train into the folder and keep the model if it is the best so far; return examples and dev NDCG@10."""
        context = self._context
        examples = policy.augment(
            context.labels,
            labels,
            queries=self._queries,
            scale=context.config.scale,
            config=augment,
            synthetic=set(self._written["query_id"]),
        )
        written = dict(self._written.select("query_id", "text").iter_rows())
        report = train_on(context, examples, written=written, train=train, output=folder / "trained")
        if report.card.dev_ndcg10 > self.best:
            copy_folder(folder / "trained", self._folder / _BEST)
        return examples.height, report.card.dev_ndcg10


def _figures(found: Found) -> dict[str, JsonValue]:
    return {
        "finished": found.finished,
        "pruned": found.pruned,
        "dev_ndcg10": found.value,
        "dev_ndcg10_configured": found.configured,
    }


def _table(made: list[Round], found: Found | None, bench: Bench) -> str:
    lines = [rounds_table(made)] if made else []
    if made:
        paid = sum(each.gain >= bench.min_gain and each.judged > 0 for each in made)
        lines.append(f"{paid} of {len(made)} rounds paid.")
    if found:
        lines.append(
            f"{found.finished + found.pruned} trials, {found.pruned} pruned: dev NDCG@10 {found.value:.4f}, "
            f"{found.configured:.4f} as configured."
        )
    return "\n".join([*lines, f"Dev NDCG@10: {bench.start:.4f} before, {bench.best:.4f} now."])
