"""What each augmentation policy buys where labels are few, and what rounds and a search over settings add to it.

`python -m benchmarks.rerankers.policies [--collection cranfield] [--labelled 20] [--depth 100] [--output
runs/policies]` deals half of a collection's queries to the test, labels so many of the rest and hides what people said
of the others. The pipeline's own stages then pool, judge the heads of the pools (with the reranker that learnt from
people alone), write queries, augment by each policy, train and optimize. NDCG@10 is of the test queries, with BM25 and
feedback as bundles ask for; the search sees the dev queries alone. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A
cut run goes on. Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.data.bm25 import DEPTH
from benchmarks.deals import SEED, shuffled, split_dev
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.record import record
from benchmarks.rerankers.own_collections import ENGLISH, STEPS, own_domain_config
from benchmarks.rerankers.trial import Trial, kept_run
from relsearch.core.settings.config import Config, Policy
from relsearch.pipeline.artifacts import read_manifest
from relsearch.pipeline.order import run_all
from relsearch.pipeline.stages.inputs import Artefacts
from relsearch.rerank.families import open_model
from relsearch.rerank.interpolation import Interpolation

HUMAN, OPTIMIZED = "human labels only", "optimized"
# The default comes last: optimize goes on from it.
_DEFAULT: tuple[Policy, ...] = ("fill", "unlabelled")
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "synthetic": {"policies": ("synthetic",)},
    "fill": {"policies": ("fill",)},
    "unlabelled": {"policies": ("unlabelled",)},
    "fill, unlabelled, hard labels": {"policies": _DEFAULT, "labels": "hard"},
    "fill, unlabelled, synthetic": {"policies": (*_DEFAULT, "synthetic")},
    "fill, unlabelled": {"policies": _DEFAULT},
}


def main() -> None:
    """Run the stages, train each arm that has no run yet, then measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collection", choices=ENGLISH, default="cranfield")
    parser.add_argument("--labelled", type=int, default=20, metavar="K")
    parser.add_argument("--depth", type=int, default=DEPTH, help="how far down the pools are judged")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--minutes", type=float, default=30.0, help="of rounds and search")
    parser.add_argument("--output", type=Path, default=Path("runs/policies"))
    arguments = parser.parse_args()
    use_models()
    bench = Bench(policies_config(arguments))
    result = bench.compared(bench.runs())
    about = {name: vars(arguments)[name] for name in ("collection", "labelled", "depth", "steps")}
    record(f"policies_{arguments.collection}", {**about, **bench.about(), **result.to_json()}, seed=SEED)


def gather(name: str, folder: Path, *, labelled: int) -> None:
    """Write a collection without the labels that are hidden, and its splits."""
    if (folder / "finished").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("corpus.jsonl", "queries.jsonl"):
        shutil.copyfile(COLLECTIONS / name / file, folder / file)
    lines = (COLLECTIONS / name / "qrels.tsv").read_text("utf-8").splitlines(keepends=True)
    queries = shuffled({line.split()[0] for line in lines})
    test, rest = queries[::2], queries[1::2]
    dev, training = split_dev(rest[:labelled])
    parts = {"dev": dev, "train": training, "unlabelled": rest[labelled:], "test": test}
    split_of = {query: split for split, members in parts.items() for query in members}
    (folder / "qrels.tsv").write_text(
        "".join(line for line in lines if split_of[line.split()[0]] != "unlabelled"), encoding="utf-8"
    )
    splits = "".join(f"{query}\t{split}\n" for query, split in sorted(split_of.items()))
    (folder / "splits.tsv").write_text(splits, encoding="utf-8")
    (folder / "finished").touch()


def policies_config(arguments: argparse.Namespace) -> Config:
    """Gather the collection; return the pipeline's settings, with the default policies."""
    output = arguments.output / arguments.collection
    source = output / "gathered"
    gather(arguments.collection, source, labelled=arguments.labelled)
    base = own_domain_config(arguments.collection, output, steps=arguments.steps).model_dump()
    changed = {
        "collection": base["collection"] | {"source": str(source), "splits": source / "splits.tsv"},
        "label": {"judge": "reranker", "depth": arguments.depth},
        "synthesize": {"documents": 100, "sources": ("llm", "titles", "phrases")},
        "augment": {"force": True},  # four dev queries cannot show that a judge is better than chance
        "optimize": {"rounds": 2, "trials": 4, "minutes": arguments.minutes},
    }
    return Config.model_validate(base | changed)


class Bench(Trial):
    """The pipeline's folder, and beside its stages the test runs of each arm."""

    def runs(self) -> dict[str, pl.DataFrame]:
        """Return every arm's run of the test queries, that of human labels alone first."""
        _run_until("train-human", self.config)
        runs = {HUMAN: self._run(HUMAN, "train-human")}
        for name, changes in POLICIES.items():
            if not self._path(name).is_file():
                _run_until("train-augmented", _with(self.config, "augment", **changes))
            runs[name] = self._run(name, "train-augmented")
        _run_until("optimize", _with(self.config, "optimize", enabled=True))
        return {**runs, OPTIMIZED: self._run(OPTIMIZED, "optimize", "model"), "bm25": self.first_stage}

    def about(self) -> dict[str, Any]:
        """Return the stages' figures on judge, written queries, rounds and search."""
        stages = ("agree", "synthesize", "optimize")
        return {"stages": {name: read_manifest(self.config.output / name).figures for name in stages}}

    def _run(self, name: str, *model: str) -> pl.DataFrame:
        """The test queries as an arm's model orders them, as shipped; what was reranked before is read."""
        mix = Interpolation(self.config.export.first_stage_weight, self.config.export.prf_weight)
        return kept_run(
            self._path(name),
            lambda: self.reranked(open_model(Artefacts(self.config.output).path(*model), exact=False), mix),
        )

    def _path(self, name: str) -> Path:
        return self.config.output / "runs" / f"{name.replace(', ', '-').replace(' ', '-')}.parquet"


def _with(config: Config, section: str, **changes: object) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=changes)})


def _run_until(last: str, config: Config) -> None:
    """Run the stages up to one, so far as they are not up to date."""
    for result in run_all(config):
        print(f"{result.name}: {result.status} in {result.seconds:.0f} s", flush=True)
        if result.name == last:
            return


if __name__ == "__main__":
    main()
