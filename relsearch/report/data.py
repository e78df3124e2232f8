"""What a report shows, whether it comes from a run folder or from files: plain values, already measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from relsearch.core.types import Scale
from relsearch.measure.agreement import Agreement, agreement, common_pairs
from relsearch.measure.evaluate import Evaluation
from relsearch.measure.reliability import Reliability, has_probabilities, reliability

Look = tuple[float, float]  # a step of training, and what was measured then


@dataclass(frozen=True, slots=True)
class Curves:
    """What trainings of a kind measured by step, by name; `least_best` where less is better, as of a loss."""

    caption: str
    lines: Mapping[str, Sequence[Look]]
    least_best: bool = False


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """A judge's labels against human ones: the figures, None for reliability without probabilities, and the pairs.

    `pairs` is the table of `relsearch.measure.agreement.common_pairs`; `on` says whose pairs they are. `notes` say what
    a reader must know of the figures.
    """

    on: str
    agreement: Agreement
    reliability: Reliability | None
    pairs: pl.DataFrame
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """One thing that the result took: a figure as it is read, its name, and a line on how it was counted."""

    figure: str
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class StageTime:
    """A stage of a pipeline: its name, when it began, its seconds and the version that ran it."""

    name: str
    created: str
    seconds: float
    version: str


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report shows; what is empty or None is left out of the page.

    `evaluation` compares `runs` with its baseline, in a pipeline on the queries of `split`; `featured` is the run that
    the first screen is about. `labels` are what it measured on, `judged` the judge's labels. Texts are by id; a
    document's is as the template rendered it. `curves` hold what was measured while models were trained; `by_depth` the
    first measure of the featured run by how many of the baseline's candidates are read.
    """

    title: str
    scale: Scale
    evaluation: Evaluation | None = None
    split: str = ""
    featured: str = ""
    runs: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    labels: pl.DataFrame | None = None
    judged: pl.DataFrame | None = None
    queries: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    judge: JudgeCheck | None = None
    costs: Sequence[Cost] = ()
    label_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    curves: Sequence[Curves] = ()
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    by_depth: Sequence[tuple[int, float]] = ()
    stages: Sequence[StageTime] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    settings: str = ""
    notes: Sequence[str] = ()


def first_measure(evaluation: Evaluation) -> str:
    """Return the measure that the page is about: the first that is defined on these labels."""
    measures = evaluation.estimates[evaluation.baseline]
    return next(name for name, each in measures.items() if not math.isnan(each.mean))


def check_judge(
    human: pl.DataFrame, judged: pl.DataFrame, scale: Scale, *, on: str, resamples: int, seed: int
) -> JudgeCheck:
    """Return how a judge's labels agree with human ones; raise DataError where no pair has both."""
    options = {"resamples": resamples, "seed": seed}
    found = reliability(human, judged, scale, **options) if has_probabilities(judged) else None
    agreed = agreement(human, judged, scale, **options)
    return JudgeCheck(on, agreed, found, common_pairs(human, judged, scale), agreed.notes)


def count_labels(tables: Mapping[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Return how many labels of each grade each table holds, by the table's name; a missing grade is "none"."""
    return {
        name: {
            "none" if grade is None else str(grade): count
            for grade, count in table.group_by("grade").len().sort("grade", nulls_last=True).iter_rows()
        }
        for name, table in tables.items()
        if not table.is_empty()
    }


def cut_runs(runs: Mapping[str, pl.DataFrame], depth: int) -> dict[str, pl.DataFrame]:
    """Return the head of each run, down to rank `depth`."""
    return {name: run.filter(pl.col("rank") <= depth) for name, run in runs.items()}
