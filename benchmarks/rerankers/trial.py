"""What every trial of training shares: a collection, its runs and how they are measured, results kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.deals import SEED
from relsearch.core.protocols import Scorer
from relsearch.core.settings.config import Config, EncoderConfig
from relsearch.core.tables import CANDIDATES, read, write
from relsearch.core.types import Pair
from relsearch.encoders.encoder import load_encoder
from relsearch.labels import augment as policy
from relsearch.measure.evaluate import Evaluation, evaluate
from relsearch.pipeline.order import run_verb
from relsearch.pipeline.stages.inputs import Artefacts, of_queries, open_pools
from relsearch.pipeline.stages.runs import reorder
from relsearch.pipeline.stages.training import train_on
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker
from relsearch.rerank.train_job import TrainReport

MEASURE, DEPTH = "nDCG@10", 100


class Trial:
    """A collection whose candidates are pooled; `queries` are the test queries."""

    def __init__(self, config: Config) -> None:
        for verb in ("collect", "index", "pool"):
            list(run_verb(verb, config))
        self.config, self.pools = config, open_pools(config)
        self.collected = self.pools.collected
        self.vectors = Artefacts(config.output).vectors

    @cached_property
    def queries(self) -> Collection[str]:
        """The ids of the queries that runs are measured on."""
        return self.collected.split("test")

    @cached_property
    def first_stage(self) -> pl.DataFrame:
        """BM25's run of the test queries."""
        return of_queries(self.pools.first_stage, self.queries)

    @cached_property
    def test_labels(self) -> pl.DataFrame:
        """The human grades of the test queries."""
        return of_queries(self.collected.human, self.queries)

    def cosine(self, encoder: EncoderConfig) -> pl.DataFrame:
        """Return the first stage in the order of an untrained encoder's cosine."""
        loaded = load_encoder(encoder, keep=self.vectors)
        return reorder(self.first_stage, loaded.cosines(self._pairs).tolist())

    def reranked(
        self, scorer: Scorer, mix: Interpolation = NO_INTERPOLATION, *, queries: Collection[str] | None = None
    ) -> pl.DataFrame:
        """Return the first stage, of all test queries or of some, as a scorer orders it."""
        run = self.first_stage if queries is None else of_queries(self.first_stage, queries)
        return rerank_run(
            run, self.collected.query_texts, self._texts, Reranker(scorer, interpolation=mix), depth=DEPTH
        )

    def compared(self, runs: Mapping[str, pl.DataFrame]) -> Evaluation:
        """Return NDCG@10 of each run and the tests against the first, and print them."""
        return compared(self.test_labels, runs)

    def examples(
        self, queries: Collection[str], judged: pl.DataFrame | None = None, *, labels: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Return the training examples of some queries: their human grades, and what a judge said of their pools."""
        human, config = self.collected.human if labels is None else labels, self.config
        return policy.augment(human, judged, queries=set(queries), scale=config.scale, config=config.augment)

    def train(
        self,
        examples: pl.DataFrame,
        dev: pl.DataFrame,
        output: Path,
        *,
        config: Config | None = None,
        seed: int | None = None,
    ) -> TrainReport:
        """Train by the trial's settings, or others, into a folder; return the report."""
        return train_on(
            config or self.config,
            examples,
            dev=dev,
            collected=self.collected,
            vectors=self.vectors,
            output=output,
            seed=seed,
        )

    @cached_property
    def _pairs(self) -> list[Pair]:
        return self.collected.pairs(self.first_stage)

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {pair.doc_id: pair.text for pair in self._pairs}


def compared(qrels: pl.DataFrame, runs: Mapping[str, pl.DataFrame]) -> Evaluation:
    """Return NDCG@10 of each run and the tests against the first, and print them."""
    result = evaluate(qrels, runs, measures=[MEASURE], resamples=2000, seed=SEED)
    print(result.to_table(), flush=True)
    return result


def kept_run(path: Path, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Return the run in a file; made and written where there is none, so that a cut benchmark goes on."""
    if not path.is_file():
        run = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        write(run, path, CANDIDATES)
    return read(path, CANDIDATES)


def kept_figures(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the figures in a file; made and written where there is none, so that a cut benchmark goes on."""
    if not path.is_file():
        figures = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found
