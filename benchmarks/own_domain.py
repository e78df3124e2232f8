"""A team's own collection: a reranker trained on its labels, on queries of the same collection that it never saw.

`python -m benchmarks.own_domain [--collections cranfield vaswani] [--folds 2] [--output runs/own-domain]` deals the
labelled queries into folds; for each one a late-interaction reranker on e5-small-v2 learns from the others (a fifth of
them for early stopping) and reranks BM25's top 100 of the fold, with BM25's scores mixed in and without. What nobody
labelled counts as irrelevant. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A cut run goes on.
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.bm25 import DEPTH
from benchmarks.chain_trec_dl import E5
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.record import record
from relsearch import augment as policy
from relsearch.config import Config
from relsearch.encoder import load_encoder
from relsearch.evaluate import evaluate
from relsearch.pipeline import run_verb
from relsearch.protocols import Scorer
from relsearch.rerank.bundle import SHIPPED
from relsearch.rerank.families import open_model, open_scorer, train
from relsearch.rerank.rank import rerank_run
from relsearch.rerank.training import Texts
from relsearch.stages.context import Context
from relsearch.stages.runs import reorder
from relsearch.tables import CANDIDATES, read, write

MEASURE, SEED = "nDCG@10", 13
# Their grades start above irrelevant, which the qrels leave out.
SCALES = {"cranfield": "0-4:1", "vaswani": "binary"}
MIXES = {"": 0.0, "_mixed": 0.2}
# Each is tested against the others of its row, paired over queries.
TESTS = (
    ("cosine", "ready", "trained", "trained_mixed"),
    ("ready", "ready_mixed"),
    ("trained", "trained_mixed"),
    ("ready_mixed", "trained_mixed"),
)
_DEV_SHARE = 0.2


def main() -> None:
    """Train what has no run yet, then measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collections", nargs="+", choices=SCALES, default=list(SCALES))
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--output", type=Path, default=Path("runs/own-domain"))
    arguments = parser.parse_args()
    use_models()
    figures: dict[str, Any] = {}
    for name in arguments.collections:
        config = _config(name, arguments.output / name, steps=arguments.steps)
        for verb in ("collect", "index", "pool"):
            list(run_verb(verb, config))
        trial = Trial(Context(config), arguments.folds)
        measure = partial(evaluate, trial.qrels, measures=[MEASURE], resamples=2000, seed=SEED)
        result = measure(trial.runs)
        tests = [measure({run: trial.runs[run] for run in runs}) for runs in TESTS]
        print(name, *(each.to_table() for each in (result, *tests)), sep="\n", flush=True)
        against = {runs[0]: each.to_json()["against_first"] for runs, each in zip(TESTS, tests, strict=True)}
        figures[name] = result.to_json() | {"against": against}
    about = {"folds": arguments.folds, "steps": arguments.steps}
    record("own_domain", {"collections": figures, **about}, seed=SEED)


def _config(name: str, output: Path, *, steps: int) -> Config:
    """Return the settings of a collection; all its queries are dealt out here, not by the pipeline."""
    return Config.model_validate(
        {
            "seed": SEED,
            "output": output,
            "collection": {"source": str(COLLECTIONS / name), "scale": SCALES[name]},
            "pool": {"depth": DEPTH, "unjudged": "irrelevant"},
            "train": {
                "family": "late",
                "encoder": E5,
                "max_length": 256,
                "head_multiple": 10,
                "epochs": 20,
                "max_steps": steps,
                "evaluations": 2,
                "dev_depth": 20,
            },
        }
    )


class Once:
    """A scorer that scores a query's documents once, however they are mixed."""

    def __init__(self, scorer: Scorer) -> None:
        self._scored = cache(scorer.score)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the scorer's own scores."""
        return self._scored(query, tuple(texts))


@dataclass(frozen=True)
class Trial:
    """One collection, its labelled queries dealt into folds; what was reranked stays in its folder."""

    context: Context
    folds: int

    @property
    def qrels(self) -> pl.DataFrame:
        """The people's labels."""
        return self.context.human

    @cached_property
    def runs(self) -> Mapping[str, pl.DataFrame]:
        """Every way of ordering BM25's top 100, over all folds; the first one is BM25's own."""
        bm25 = self.context.first_stage
        pairs = self.context.pairs(bm25)
        encoder = load_encoder(self.context.config.train_encoder, keep=self.context.vectors)
        texts = {pair.doc_id: pair.text for pair in pairs}
        ready = Once(open_scorer(SHIPPED, kept_documents=len(texts)))
        runs = {"bm25": bm25, "cosine": reorder(bm25, encoder.cosines(pairs).tolist())}
        for suffix, mix in MIXES.items():
            runs[f"ready{suffix}"] = rerank_run(bm25, self.context.query_texts, texts, ready, depth=DEPTH, mix=mix)
        trained = [self._fold(number, texts) for number in range(self.folds)]
        return runs | {f"trained{suffix}": pl.concat(each[suffix] for each in trained) for suffix in MIXES}

    def _fold(self, number: int, texts: Mapping[str, str]) -> dict[str, pl.DataFrame]:
        """Train without one fold's queries and rerank them; a fold that was reranked before is read."""
        queries = sorted(set(self.qrels["query_id"]))
        random.Random(SEED).shuffle(queries)  # noqa: S311 - a seeded deal, not a secret
        test = set(queries[number :: self.folds])
        rest = [query for query in queries if query not in test]
        held_out = round(_DEV_SHARE * len(rest))
        folder = self.context.config.output / f"fold-{number}"
        paths = {suffix: folder / f"run{suffix}.parquet" for suffix in MIXES}
        if not all(path.is_file() for path in paths.values()):
            self._train(set(rest[held_out:]), set(rest[:held_out]), texts, folder / "model")
            mine = self.context.first_stage.filter(pl.col("query_id").is_in(sorted(test)))
            scorer = Once(open_model(folder / "model"))
            for suffix, mix in MIXES.items():
                run = rerank_run(mine, self.context.query_texts, texts, scorer, depth=DEPTH, mix=mix)
                write(run, paths[suffix], CANDIDATES)
            shutil.rmtree(folder / "model")
        return {suffix: read(path, CANDIDATES) for suffix, path in paths.items()}

    def _train(self, training: set[str], dev: set[str], texts: Mapping[str, str], output: Path) -> None:
        context, config = self.context, self.context.config
        examples, dev_examples = (
            policy.augment(context.labels, None, queries=each, scale=config.scale, config=config.augment)
            for each in (training, dev)
        )
        missing = {*examples["doc_id"], *dev_examples["doc_id"]} - texts.keys()
        train(
            examples,
            dev_examples,
            texts=Texts(context.query_texts, {**texts, **context.texts(missing)}, config.collection.template),
            config=config.train,
            encoder=config.train_encoder,
            scale=config.scale,
            seed=config.seed,
            output=output,
            training_data=f"{len(training)} queries of {Path(config.collection.source).name}",
            vectors=context.vectors,
        )


if __name__ == "__main__":
    main()
