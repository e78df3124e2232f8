"""Few labels, the usual case: k labelled queries alone, or with the judged pools of queries that nobody labelled.

`python -m benchmarks.few_labels [--chain runs/trec-dl] [--k 5 20] [--seeds 2]` takes texts and judged pools from the
folder of benchmarks.chain_trec_dl, trains both arms alike on k queries of 2021 and 2023 (a fifth of them, at least
one, for early stopping), and reports NDCG@10 over BM25's top 100 of 2019. The judged pools are those of 2022, whose
judge is the ready one: it learnt from 2021 and 2023, never from 2019 or 2022. A cut run goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from benchmarks.chain_trec_dl import SEED, TEST, UNLABELLED, chain_config
from benchmarks.record import record
from relsearch import augment as policy
from relsearch import tables
from relsearch.evaluate import query_values
from relsearch.rerank.families import open_model, train
from relsearch.rerank.rank import rerank_run
from relsearch.rerank.training import Texts
from relsearch.show import table
from relsearch.stages.context import Context

ARMS = ("human only", "augmented")
MEASURE = "nDCG@10"
_DEV_SHARE = 0.2


def main() -> None:
    """Train every arm that has no result yet, then record the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chain", type=Path, default=Path("runs/trec-dl"))
    parser.add_argument("--output", type=Path, default=Path("runs/few-labels"))
    parser.add_argument("--k", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    context = Context(chain_config(arguments.chain, steps=arguments.steps))
    values: dict[tuple[int, str], list[list[float]]] = {}
    for k in arguments.k:
        for seed in range(arguments.seeds):
            for arm in ARMS:
                folder = arguments.output / f"{k}-{seed}-{arm.replace(' ', '-')}"
                values.setdefault((k, arm), []).append(_once(context, folder, k=k, seed=seed, arm=arm))
                print(f"k {k}, seed {seed}, {arm}: {np.mean(values[k, arm][-1]):.4f}", flush=True)
    rows = [_row(k, values[k, ARMS[0]], values[k, ARMS[1]]) for k in arguments.k]
    names = list(rows[0])
    print(table(names, [[str(row[name]) for name in names] for row in rows]))
    record("few_labels", {"rows": rows, "steps": arguments.steps, "seeds": arguments.seeds, "test": TEST}, seed=SEED)


def _row(k: int, human: list[list[float]], augmented: list[list[float]]) -> dict[str, Any]:
    """One row: means over seeds and queries, and a paired t-test over queries of the seeds' means."""
    first, second = (np.mean(np.array(each), axis=0) for each in (human, augmented))
    return {
        "k": k,
        "human_only": round(float(first.mean()), 4),
        "augmented": round(float(second.mean()), 4),
        "relative": round(float(second.mean() / first.mean() - 1), 4),
        "p": round(float(stats.ttest_rel(second, first).pvalue), 4),
    }


def _once(context: Context, folder: Path, *, k: int, seed: int, arm: str) -> list[float]:
    """Train one arm and return its measure of each test query; a finished one is read."""
    done = folder / "values.json"
    if done.is_file():
        kept: list[float] = json.loads(done.read_text("utf-8"))
        return kept
    config = context.config
    training, dev = _drawn(context, k, seed)
    judged = _judged(context) if arm == "augmented" else None
    queries = training | (set(judged["query_id"]) if judged is not None else set())
    examples = policy.augment(context.human, judged, queries=queries, scale=config.scale, config=config.augment)
    dev_examples = policy.augment(context.human, None, queries=dev, scale=config.scale, config=config.augment)
    texts = context.texts([*examples["doc_id"], *dev_examples["doc_id"]])
    train(
        examples,
        dev_examples,
        texts=Texts(context.query_texts, texts, config.collection.template),
        config=config.train,
        encoder=config.train_encoder,
        scale=config.scale,
        seed=seed,
        output=folder,
        training_data=f"{k} queries of 2021 and 2023, {arm}",
        vectors=context.vectors,
    )
    values = _measured(context, folder)
    shutil.rmtree(folder)
    folder.mkdir(parents=True)
    done.write_text(json.dumps(values), encoding="utf-8")
    return values


def _drawn(context: Context, k: int, seed: int) -> tuple[set[str], set[str]]:
    """Draw k labelled queries with a relevant document; a fifth of them, at least one, stop training early."""
    relevant = context.human.filter(pl.col("grade") >= context.config.scale.relevant)["query_id"].unique()
    candidates = sorted(context.split("train", "dev") & set(relevant))
    drawn = random.Random(seed).sample(candidates, k)  # noqa: S311 - a seeded draw, not a secret
    held_out = max(1, round(_DEV_SHARE * k))
    return set(drawn[held_out:]), set(drawn[:held_out])


def _judged(context: Context) -> pl.DataFrame:
    judgments = tables.read(context.path("judge", "judgments.parquet"), tables.JUDGMENTS)
    return judgments.filter(pl.col("query_id").str.starts_with(f"{UNLABELLED}:"))


def _measured(context: Context, folder: Path) -> list[float]:
    test = context.split("test")
    first = context.first_stage.filter(pl.col("query_id").is_in(test))
    texts = {pair.doc_id: pair.text for pair in context.pairs(first)}
    run = rerank_run(first, context.query_texts, texts, open_model(folder), depth=100)
    qrels = context.human.filter(pl.col("query_id").is_in(test))
    values: list[float] = query_values(qrels, run, [MEASURE])[MEASURE].tolist()
    return values


if __name__ == "__main__":
    main()
