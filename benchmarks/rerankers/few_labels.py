"""Few labels, the usual case: k labelled queries alone, or with the judged pools of queries that nobody labelled.

`python -m benchmarks.rerankers.few_labels [--output runs/few-labels] [--k 5 10 20 50] [--seeds 2] [--student minilm]`
trains a small student alike on three sets: the people's grades of k queries of 2021 and 2023 (a fifth of the queries,
at least one, for early stopping); the same with the pools of 2022's queries as the student itself grades them that
learnt from those k; and with these pools as the ready judge grades them. That judge learnt from 2021 and 2023, never
from 2019 or 2022, whose grades nothing sees; a last row learns from every label that it saw. NDCG@10 is over BM25's top
100 of 2019. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A cut run goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from benchmarks.deals import SEED, split_dev
from benchmarks.folders import use_models
from benchmarks.record import record
from benchmarks.rerankers.trec_dl import E5, TEST, UNLABELLED, chain_config, gather
from benchmarks.rerankers.trial import MEASURE, Trial, kept_figures, of
from relsearch.core.display.text_table import table
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import Config, EncoderConfig
from relsearch.judge.registry import open_judge
from relsearch.judge.store.judgment_store import judge_all
from relsearch.measure.query_values import query_values
from relsearch.pipeline.stages.inputs import Pools
from relsearch.pipeline.stages.judges import reranker_judge
from relsearch.rerank.families import open_model

STUDENTS = {"minilm": EncoderConfig(), "e5": EncoderConfig.model_validate(E5)}
HUMAN, READY, SELF = "human", "ready", "self"  # whose labels: people's alone, or people's and a judge's
JUDGED_DEPTH = 40


def main() -> None:
    """Judge what has no judgment, train every arm that has no result, then record the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/few-labels"))
    parser.add_argument("--k", type=int, nargs="+", default=[5, 10, 20, 50])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--student", choices=STUDENTS, default="minilm")
    arguments = parser.parse_args()
    use_models()
    gather(arguments.output / "gathered")
    config = chain_config(arguments.output, steps=arguments.steps)
    student = config.train.model_copy(update={"encoder": STUDENTS[arguments.student]})
    config = config.model_copy(update={"train": student})
    trial = FewLabels(config, arguments.output / f"{arguments.student}-{arguments.steps}")
    every = len(trial.labelled)
    values: dict[tuple[int, str], list[list[float]]] = {}
    arms = [*product(arguments.k, (HUMAN, READY, SELF)), (every, HUMAN)]
    for seed, (k, arm) in product(range(arguments.seeds), arms):
        found = trial.values(k, seed, arm)
        values.setdefault((k, arm), []).append(found)
        print(f"seed {seed}, k {k}, {arm}: {np.mean(found):.4f}", flush=True)
    rows = [_row(k, *(values[k, arm] for arm in (HUMAN, READY, SELF))) for k in arguments.k]
    print(table(list(rows[0]), [[str(cell) for cell in row.values()] for row in rows]))
    pools = unlabelled_pools(trial.pools)
    figures = {
        "rows": rows,
        "every_label": {"k": every, "human_only": _mean(values[every, HUMAN])},
        "untrained": _mean([trial.untrained]),
        "student": arguments.student,
        "judged_pairs": pools.height,
        "judged_queries": pools["query_id"].n_unique(),
        "steps": arguments.steps,
        "seeds": arguments.seeds,
        "test": TEST,
        "minutes": round(sum(trial.seconds()) / 60, 1),
    }
    record("few_labels", figures, seed=SEED)


class FewLabels(Trial):
    """One student on one collection; what was measured stays in `folder`."""

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__(config)
        self.folder = folder

    @cached_property
    def labelled(self) -> list[str]:
        """The queries of 2021 and 2023 with a relevant document."""
        human = self.collected.human
        relevant = human.filter(pl.col("grade") >= self.config.scale.relevant)["query_id"].unique()
        return sorted(self.collected.split("train", "dev") & set(relevant))

    @property
    def untrained(self) -> list[float]:
        """The measure of the student's untrained cosine."""
        return self._measured(self.cosine(self.config.train_encoder))

    def values(self, k: int, seed: int, arm: str) -> list[float]:
        """Train one arm and return its measure of each test query; a finished one is read."""
        path = self.folder / f"{k}-{seed}-{arm}" / "values.json"
        found: list[float] = kept_figures(path, lambda: self._trained(k, seed, arm))["values"]
        return found

    def seconds(self) -> list[float]:
        """Return what each arm took."""
        return [json.loads(path.read_text("utf-8"))["seconds"] for path in self.folder.glob("*/values.json")]

    def _trained(self, k: int, seed: int, arm: str) -> dict[str, Any]:
        started, folder = time.perf_counter(), self.folder / f"{k}-{seed}-{arm}" / "model"
        self._train(k, seed, arm, folder)
        run = self.reranked(open_model(folder, exact=False))
        if arm != HUMAN:  # that one grades for this arm
            shutil.rmtree(folder)
        return {"values": self._measured(run), "seconds": time.perf_counter() - started}

    def _train(self, k: int, seed: int, arm: str, folder: Path) -> None:
        drawn = random.Random(seed).sample(self.labelled, k)  # noqa: S311 - a seeded draw, not a secret
        dev, training = split_dev(drawn)
        judged = None
        if arm == READY:
            judged = judged_pools(self, self.folder.parent / "judged")
        elif arm == SELF:
            teacher = self.folder / f"{k}-{seed}-{HUMAN}" / "model"
            judge = reranker_judge(self.config, teacher, self.collected.human.filter(of(dev)), pools=self.pools)
            judged = judge_all(
                judge, pools_of(self.collected.pairs(unlabelled_pools(self.pools))), folder.parent / "judged"
            )
        queries = {*training, *(judged["query_id"] if judged is not None else ())}
        self.train(self.examples(queries, judged), self.examples(dev), folder, seed=seed)

    def _measured(self, run: pl.DataFrame) -> list[float]:
        values: list[float] = query_values(self.test_labels, run, [MEASURE])[MEASURE].tolist()
        return values


def unlabelled_pools(pools: Pools) -> pl.DataFrame:
    """Return the heads of BM25's runs of 2022, in the order of query and document."""
    mine = pl.col("query_id").str.starts_with(f"{UNLABELLED}:") & (pl.col("rank") <= JUDGED_DEPTH)
    return pools.candidates.filter(mine).sort("query_id", "doc_id")


def judged_pools(trial: Trial, folder: Path) -> pl.DataFrame:
    """Return the ready judge's grades of them; they are kept in the folder."""
    judge = open_judge(trial.config, keep=trial.vectors)
    return judge_all(judge, pools_of(trial.collected.pairs(unlabelled_pools(trial.pools))), folder)


def _row(
    k: int, human: list[list[float]], augmented: list[list[float]], self_taught: list[list[float]]
) -> dict[str, Any]:
    """One row: means over seeds and queries, and paired t-tests over queries of the seeds' means."""
    first, second, third = (np.mean(np.array(each), axis=0) for each in (human, augmented, self_taught))
    return {
        "k": k,
        "human_only": _mean(human),
        "augmented": _mean(augmented),
        "relative": round(float(second.mean() / first.mean() - 1), 4),
        "p": round(float(stats.ttest_rel(second, first).pvalue), 4),
        "self_taught": _mean(self_taught),
        "self_p": round(float(stats.ttest_rel(third, first).pvalue), 4),
    }


def _mean(values: list[list[float]]) -> float:
    return round(float(np.mean(np.array(values))), 4)


if __name__ == "__main__":
    main()
