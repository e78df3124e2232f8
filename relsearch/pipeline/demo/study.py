"""The demo itself: both pipelines, the test queries ranked by every arm, paired tests, and where the time went."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file, files

import polars as pl

from relsearch.core.extras import TORCH, check_packages
from relsearch.core.settings.config import Config
from relsearch.core.settings.load import load_config
from relsearch.measure.estimate import Estimate
from relsearch.measure.evaluate import Evaluation, evaluate
from relsearch.pipeline.artifacts import read_manifest
from relsearch.pipeline.demo.deal import ALL, FEW, dealt_configs
from relsearch.pipeline.order import run_all, stages_of
from relsearch.pipeline.stages.inputs import Collected, Pools, open_pools
from relsearch.pipeline.stages.rank import export_model
from relsearch.pipeline.stages.runs import COSINE, FIRST_STAGE, baseline_runs, bundle_run, exported_mix, reranked

READY, HUMAN, AUGMENTED, EVERY = "ready", "human", "augmented", "all_labels"
MEASURE = "nDCG@10"
# What each test compares: the first arm with the second.
TESTS = ((AUGMENTED, HUMAN), (HUMAN, FIRST_STAGE), (HUMAN, COSINE), (HUMAN, READY), (EVERY, HUMAN))
# How far each pipeline runs: the demo measures by itself, on queries that both leave out.
_LAST_STAGE = {FEW: "train-augmented", ALL: "train-human"}
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A paired test: the mean difference of the first arm from the second, and p of the randomisation test."""

    arm: str
    baseline: str
    difference: Estimate
    p: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A query's first document by one arm; `grade` is None where nobody labelled it."""

    doc_id: str
    grade: int | None


@dataclass(frozen=True, slots=True)
class Example:
    """A test query, its first hit before and after, and NDCG@10 of both rankings."""

    query: str
    before: Hit
    after: Hit
    ndcg_before: float
    ndcg_after: float


@dataclass(slots=True)
class Clock:
    """Wall-clock and processor seconds of each part, child processes included; `whole` if no stage was skipped."""

    parts: dict[str, tuple[float, float]] = field(default_factory=dict)
    whole: bool = True

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note what the block takes."""
        wall, processor = time.monotonic(), _processor_s()
        yield
        self.parts[name] = (time.monotonic() - wall, _processor_s() - processor)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of all parts."""
        return sum(wall for wall, _ in self.parts.values())

    @property
    def processor_seconds(self) -> float:
        """Processor seconds of all parts."""
        return sum(processor for _, processor in self.parts.values())


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo measured: NDCG@10 of each arm on the test queries, tests, examples, and where the time went."""

    arms: Mapping[str, Estimate]
    tests: tuple[PairedTest, ...]
    examples: tuple[Example, ...]
    counts: Mapping[str, int]
    clock: Clock


def demo_config() -> Config:
    """Return the settings of the packaged demo."""
    with as_file(files("relsearch.data.demo") / "relsearch.toml") as path:
        return load_config(path)


def run_demo(config: Config, *, say: Callable[[str], None]) -> Demo:
    """Run what is not up to date, measure every arm, and return the figures; `say` is given a line per stage.

    Raise MissingExtraError where the packages of the extra `demo` are not installed.
    """
    check_packages("relsearch demo", "demo", (*TORCH, "onnx", "onnxscript"))
    clock = Clock()
    with clock.part("deal the queries"):
        configs = dealt_configs(config)
    for name, each in configs.items():
        _run(name, each, clock, say)
    few, pools = configs[FEW], open_pools(configs[FEW])
    with clock.part(f"{FEW}: export"):
        report = export_model(few, few.output / "train-augmented", few.output / "bundle", pools=pools)
    say(f"{FEW}: export done: {few.output / 'bundle'}, {report.recipe}, {report.megabytes} MB")
    with clock.part("rank the test queries"):
        runs = _runs(few, configs[ALL], pools)
    with clock.part("measure"):
        return _measured(few, runs, pools.collected, clock)


def _run(name: str, config: Config, clock: Clock, say: Callable[[str], None]) -> None:
    names = [stage.name for stage in stages_of(config)]
    stages = run_all(config)
    for stage in names[: names.index(_LAST_STAGE[name]) + 1]:
        with clock.part(f"{name}: {stage}"):
            result = next(stages)
        clock.whole = clock.whole and result.status != "up to date"
        say(f"{name}: {stage} {result.status} in {result.seconds:.0f} s")


def _runs(few: Config, every: Config, pools: Pools) -> dict[str, pl.DataFrame]:
    """Each arm's run of the test queries: all of them reorder the first stage's candidates."""
    from relsearch.rerank.families import open_model
    from relsearch.rerank.reranker import Reranker

    collected = pools.collected
    runs = baseline_runs(few, collected.split("test"), pools=pools)
    first = runs[FIRST_STAGE]
    runs[READY] = bundle_run(few, first, READY, collected=collected)
    models = {
        HUMAN: few.output / "train-human",
        AUGMENTED: few.output / "train-augmented",
        EVERY: every.output / "train-human",
    }
    for arm, model in models.items():
        reranker = Reranker(open_model(model, exact=False), few.collection.template, exported_mix(few))
        runs[arm] = reranked(few, first, reranker, collected=collected)
    return runs


def _measured(config: Config, runs: Mapping[str, pl.DataFrame], collected: Collected, clock: Clock) -> Demo:
    found = _evaluated(config, runs, collected)
    tests = []
    for arm, baseline in TESTS:
        pair = _evaluated(config, {baseline: runs[baseline], arm: runs[arm]}, collected).comparisons[arm][MEASURE]
        tests.append(PairedTest(arm, baseline, pair.difference, pair.p_randomisation))
    estimates = {arm: by_measure[MEASURE] for arm, by_measure in found.estimates.items()}
    examples = tuple(_examples(found, runs, collected, seed=config.seed))
    return Demo(estimates, tuple(tests), examples, _counts(config, collected), clock)


def _evaluated(config: Config, runs: Mapping[str, pl.DataFrame], collected: Collected) -> Evaluation:
    return evaluate(
        collected.human_in("test"),
        runs,
        measures=[MEASURE],
        resamples=config.evaluate.resamples,
        seed=config.seed,
        lowest=config.scale.lowest,
    )


def _examples(
    found: Evaluation, runs: Mapping[str, pl.DataFrame], collected: Collected, *, seed: int
) -> Iterator[Example]:
    """Five of the test queries whose first hit is another one, drawn by the seed."""
    before, after = (_first_hits(runs[arm], collected) for arm in (FIRST_STAGE, AUGMENTED))
    changed = [query for query in found.query_ids if before.get(query) != after.get(query)]
    drawn = random.Random(seed).sample(changed, min(_EXAMPLES, len(changed)))  # noqa: S311 - a draw, not a secret
    place = {query: number for number, query in enumerate(found.query_ids)}
    values = {arm: found.per_query[arm][MEASURE] for arm in (FIRST_STAGE, AUGMENTED)}
    for query in drawn:
        ndcg = (float(values[arm][place[query]]) for arm in (FIRST_STAGE, AUGMENTED))
        yield Example(collected.query_texts[query], before[query], after[query], *ndcg)


def _first_hits(run: pl.DataFrame, collected: Collected) -> dict[str, Hit]:
    grades = collected.human.select("query_id", "doc_id", "grade")
    first = run.filter(pl.col("rank") == 1).join(grades, on=["query_id", "doc_id"], how="left")
    return {query: Hit(doc, grade) for query, doc, grade in first.select("query_id", "doc_id", "grade").iter_rows()}


def _counts(config: Config, collected: Collected) -> dict[str, int]:
    examples = read_manifest(config.output / "augment").figures
    return {
        "documents": len(collected.doc_ids),
        "test_queries": len(collected.split("test")),
        "labelled_queries": len(collected.split("train", "dev")),
        "unlabelled_queries": len(collected.split("unlabelled")),
        "human_labels": collected.human_in("train", "dev").height,
        "training_examples": int(str(examples["examples"])),
    }


def _processor_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
