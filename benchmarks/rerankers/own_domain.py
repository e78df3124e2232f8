"""A team's own collection: a reranker trained on its labels, on queries of the same collection that it never saw.

`python -m benchmarks.rerankers.own_domain [--collections cranfield vaswani] [--folds 2] [--output runs/own-domain]`
deals the labelled queries into folds; for each one a late-interaction reranker learns from the others (a fifth of them
for early stopping), e5-small-v2 with MiniLM beside it, and reranks BM25's top 100 of the fold, as bundles do and by its
own scores. What nobody labelled counts as irrelevant. `--labelled 10 20` learns from so many of a fold's other queries
instead, alone and with the pools of the rest as the reranker that learnt from those alone grades them, and records few
labels. Recorded apart: `--collections scifact`, whose own split is kept, and `--collections cnil-fr`, in French, which
starts from runs/multilingual-e5-small alone, which benchmarks.data.multilingual_e5 writes. Needs RELSEARCH_COLLECTIONS
and RELSEARCH_MODELS. A cut run goes on. Its tables are in benchmarks/README.md and benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl

from benchmarks.deals import SEED, shuffled, split_dev
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.record import record
from benchmarks.rerankers.own_collections import ENGLISH, OWN, STEPS, own_domain_config
from benchmarks.rerankers.trial import Trial
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import Config, EncoderConfig
from relsearch.core.tables import CANDIDATES, read, write
from relsearch.data.trec import read_qrels
from relsearch.judge.store.judgment_store import judge_all
from relsearch.pipeline.stages.inputs import of_queries
from relsearch.pipeline.stages.judges import reranker_judge
from relsearch.rerank.bundle import SHIPPED
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.late.scorer import LateScorer
from relsearch.rerank.late.torch_scorer import LateTorchScorer

MIXES = {"": NO_INTERPOLATION, "_mixed": Interpolation(0.2), "_shipped": Interpolation(0.2, 0.5)}
# Each is tested against the others of its row, paired over queries.
TESTS = (
    ("cosine", "ready", "trained", "trained_mixed", "trained_shipped"),
    ("ready", "ready_mixed"),
    ("trained", "trained_mixed"),
    ("ready_mixed", "ready_shipped"),
    ("trained_mixed", "trained_shipped"),
    ("ready_shipped", "trained_shipped"),
)


def main() -> None:
    """Train what has no run yet, then measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collections", nargs="+", choices=OWN, default=ENGLISH)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--labelled", type=int, nargs="+", default=[], metavar="K")
    parser.add_argument("--output", type=Path, default=Path("runs/own-domain"))
    arguments = parser.parse_args()
    use_models()
    first, *others = (OWN[name] for name in arguments.collections)
    if any(own.suffix != first.suffix for own in others):
        parser.error(f"{arguments.collections[0]} and some other are recorded apart; give one of them alone")
    about = {"folds": arguments.folds, "dealt_by": first.dealt_by} if first.training is None else {"folds": 1}
    about |= {"steps": arguments.steps, "encoder": Path(first.encoder.model).name}
    figures: dict[str, Any] = {}
    for name in arguments.collections:
        config = own_domain_config(name, arguments.output / name, steps=arguments.steps)
        trial = OwnDomain(config, arguments.folds, name)
        print(name, flush=True)
        figures[name] = trial.few_labels(arguments.labelled) if arguments.labelled else trial.every_label()
    kind = "own_domain_few" if arguments.labelled else "own_domain"
    record(kind + first.suffix, {"collections": figures, **about}, seed=SEED)


class Once:
    """A scorer that scores a query's documents once, however they are mixed."""

    def __init__(self, scorer: LateScorer) -> None:
        self._scored = cache(scorer.score)
        self.mean_vectors = scorer.mean_vectors

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the scorer's own scores."""
        return self._scored(query, tuple(texts))


@dataclass(frozen=True, slots=True)
class Arm:
    """What one reranker learns from: so many of a fold's other queries, or all; and the rest's pools, judged."""

    labelled: int | None = None
    judged: bool = False

    @property
    def alone(self) -> Arm:
        """The arm that learns from the same queries, from nothing judged."""
        return Arm(self.labelled)

    @property
    def suffix(self) -> str:
        """What tells its files from other arms'."""
        return "" if self.labelled is None else f"-{self.labelled}" + ("-judged" if self.judged else "")


class OwnDomain(Trial):
    """One collection, its labelled queries dealt into folds; what was reranked stays in its folder."""

    def __init__(self, config: Config, folds: int, name: str) -> None:
        super().__init__(config)
        self.folds, self.name = folds, name

    def every_label(self) -> dict[str, Any]:
        """Return the measures of every way of ordering, and the tests between them; print both."""
        runs = self.untrained | {f"trained{mix}": run for mix, run in self.trained(Arm()).items()}
        result = self.compared(runs)
        tests = [self.compared({run: runs[run] for run in each}) for each in TESTS]
        against = {each[0]: test.to_json()["against_first"] for each, test in zip(TESTS, tests, strict=True)}
        learnt = round(fmean(len(rest) for _, rest in self._splits))
        return result.to_json() | {"against": against, "learnt": learnt}

    def few_labels(self, labelled: Sequence[int]) -> dict[str, Any]:
        """Return the measures of learning from so many queries, alone and with the rest judged; print them."""
        rows = []
        for k in labelled:
            human, augmented = (self.trained(Arm(k, judged=judged)) for judged in (False, True))
            for mix in MIXES:
                result = self.compared({"human": human[mix], "augmented": augmented[mix]})
                rows.append({"k": k, "scores": mix.removeprefix("_") or "own", **result.to_json()})
        return {"rows": rows, "cosine": self.compared({"cosine": self.cosine(self._encoder)}).to_json()}

    @property
    def untrained(self) -> dict[str, pl.DataFrame]:
        """BM25's run, the cosine's and the ready reranker's, over all folds."""
        ready = Once(LateOnnxScorer.open(SHIPPED))
        mixed = {f"ready{mix}": self.reranked(ready, weight) for mix, weight in MIXES.items()}
        return {"bm25": self.first_stage, "cosine": self.cosine(self._encoder), **mixed}

    def trained(self, arm: Arm) -> dict[str, pl.DataFrame]:
        """The runs of the rerankers that never saw the fold that they rerank, by what is mixed in."""
        folds = [self.fold(number, arm) for number in range(len(self._splits))]
        return {mix: pl.concat(fold[mix] for fold in folds) for mix in MIXES}

    @property
    def _encoder(self) -> EncoderConfig:
        return self.config.train_encoder

    @cached_property
    def _splits(self) -> list[tuple[list[str], list[str]]]:
        """Test queries and those to learn from, of each fold; of the given split where there is one."""
        own = OWN[self.name]
        dealt = self._dealt(own.qrels)
        if own.training:
            return [(_flat(dealt), _flat(self._dealt(own.training)))]
        parts = [_flat(dealt[number :: self.folds]) for number in range(self.folds)]
        return [(test, [query for query in _flat(dealt) if query not in test]) for test in parts]

    def _dealt(self, qrels: str) -> list[list[str]]:
        """The labelled queries, those that are dealt together in one list, shuffled."""
        labels = read_qrels(COLLECTIONS / self.name / qrels, None)
        by = "doc_id" if OWN[self.name].dealt_by == "document" else "query_id"
        together: list[list[str]] = labels.group_by(by).agg(asked=pl.col("query_id").unique().sort())["asked"].to_list()
        return shuffled(together)

    @cached_property
    def queries(self) -> list[str]:
        """All test queries."""
        return [query for test, _ in self._splits for query in test]

    def fold(self, number: int, arm: Arm) -> dict[str, pl.DataFrame]:
        """Train without one fold's queries and rerank them; a fold that was reranked before is read."""
        test, rest = self._splits[number]
        folder = self._folder(number, arm)
        paths = {mix: folder / f"run{mix}.parquet" for mix in MIXES}
        if all(path.is_file() for path in paths.values()):
            return {mix: read(path, CANDIDATES) for mix, path in paths.items()}
        self._train(number, rest, arm)
        scorer = Once(LateTorchScorer.open(folder / "model", exact=False))
        runs = {mix: self.reranked(scorer, weight, queries=test) for mix, weight in MIXES.items()}
        if arm.judged or arm.labelled is None:  # else it is the arm that labels for the judged one
            shutil.rmtree(folder / "model")
        for mix, run in runs.items():
            write(run, paths[mix], CANDIDATES)
        return runs

    def _folder(self, number: int, arm: Arm) -> Path:
        return self.config.output / f"fold-{number}{arm.suffix}"

    def _train(self, number: int, rest: Sequence[str], arm: Arm) -> None:
        pools = self.pools
        known, unknown = (rest, rest[:0]) if arm.labelled is None else (rest[: arm.labelled], rest[arm.labelled :])
        dev, training = split_dev(known)
        labels = of_queries(pools.labels, known)
        judged = None
        if arm.judged:
            teacher = self._folder(number, arm.alone) / "model"
            judge = reranker_judge(self.config, teacher, of_queries(labels, dev), pools=pools)
            pool = of_queries(pools.first_stage, unknown).sort("query_id", "doc_id")
            judged = judge_all(judge, pools_of(self.collected.pairs(pool)), self._folder(number, arm) / "judged")
            training = [*training, *unknown]
        examples, dev_examples = self.examples(training, judged, labels=labels), self.examples(dev, labels=labels)
        self.train(examples, dev_examples, self._folder(number, arm) / "model")


def _flat(dealt: Sequence[list[str]]) -> list[str]:
    return list(chain.from_iterable(dealt))


if __name__ == "__main__":
    main()
