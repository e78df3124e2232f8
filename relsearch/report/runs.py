"""A report from qrels and runs alone, with texts where a collection is given and a judge where its labels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from relsearch import __version__
from relsearch.core.display.text_table import number
from relsearch.core.display.wording import counted
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.files.atomic import checksum
from relsearch.core.measures import default_measures
from relsearch.core.scale import HIGHEST, parse_scale
from relsearch.core.types import Scale, StrPath
from relsearch.data.collection import Collection, load_collection, texts_of
from relsearch.data.frames import LabelsLike, RunLike, Runs, labels_table
from relsearch.measure.agreement import left_out
from relsearch.measure.evaluate import evaluate, refuse_judge_labels
from relsearch.measure.query_values import inferred_level
from relsearch.report.data import Cost, JudgeCheck, ReportData, check_judge, count_labels
from relsearch.report.depths import quality_by_depth
from relsearch.report.judge import disagreements
from relsearch.report.queries import RANKS, shown_documents

_JUDGE_LABELS = "Measured on labels of which some or all come from a judge, not from people."


def from_runs(
    qrels: LabelsLike,
    runs: Mapping[str, RunLike],
    *,
    collection: StrPath | Collection | None = None,
    judgments: LabelsLike | None = None,
    measures: Sequence[str] = (),
    baseline: str | None = None,
    scale: str | None = None,
    judge_labels: bool = False,
    resamples: int,
    seed: int,
    command: str = "",
) -> ReportData:
    """Measure the runs and return their report; the last run that is not the baseline is the featured one.

    Labels and runs are given as to relsearch.data.frames; the report names those that are files, with their checksums.
    Raise the errors of reading, of `evaluate` and, with `judgments`, of `check_judge`. A label that a judge gave is
    refused unless `judge_labels`.
    """
    parsed = parse_scale(scale) if scale is not None else None
    labels, named = labels_table(qrels, parsed), Runs(runs)
    refuse_judge_labels(labels, allow=judge_labels)
    known = parsed or _inferred(labels)
    result = evaluate(
        labels,
        named,
        measures=measures or default_measures(known.level),
        resamples=resamples,
        seed=seed,
        lowest=known.lowest,
        baseline=baseline,
        strict=bool(measures),
    )
    wanted = pl.Series(result.query_ids, dtype=pl.String).implode()
    heads = {name: named[name].filter(pl.col("rank") <= RANKS, pl.col("query_id").is_in(wanted)) for name in named}
    judged = None if judgments is None else _judged(judgments, known)
    on = Path(qrels).name if isinstance(qrels, str | Path) else "the qrels"
    judge = None if judged is None else _checked(labels, judged, known, on=on, resamples=resamples, seed=seed)
    queries, documents = _texts(collection, heads, judge)
    tables = {"human": labels.filter(pl.col("source") != "judge"), "judge": labels.filter(pl.col("source") == "judge")}
    if judged is not None:
        tables["judge"] = judged
    inputs = [each for each in (qrels, *runs.values(), judgments) if isinstance(each, str | Path)]
    featured = next(name for name in reversed(list(runs)) if name != result.baseline or len(runs) == 1)
    return ReportData(
        title=" and ".join([", ".join(list(runs)[:-1]), list(runs)[-1]]) if len(runs) > 1 else next(iter(runs)),
        scale=known,
        evaluation=result,
        featured=featured,
        by_depth=quality_by_depth(result, labels, named, featured, lowest=known.lowest),
        runs=heads,
        labels=labels,
        judged=judged,
        queries=queries,
        documents=documents,
        judge=judge,
        costs=_costs(labels, judged),
        label_counts=count_labels(tables),
        provenance={
            "relsearch": __version__,
            "seed": str(seed),
            "bootstrap resamples": str(resamples),
            "scale": f"{known.lowest} to {known.highest}, relevant from {known.relevant}",
            **({"collection": str(collection)} if isinstance(collection, str | Path) else {}),
            **{str(path): f"sha256 {checksum(Path(path))[:16]}…" for path in inputs},
        },
        commands=(command,) if command else (),
        notes=(*result.notes, *([_JUDGE_LABELS] if judge_labels else [])),
    )


def _inferred(labels: pl.DataFrame) -> Scale:
    """The scale that labels without one have: from 0, relevant as `evaluate` takes it."""
    level = inferred_level(labels)
    highest = max([level, *labels["grade"].drop_nulls().clip(upper_bound=HIGHEST)])
    return Scale(0, tuple(f"grade {grade}" for grade in range(highest + 1)), level)


def _judged(judgments: LabelsLike, scale: Scale) -> pl.DataFrame:
    """A judge's labels; qrels do not say whose they are, a judgments table does."""
    labels = labels_table(judgments, scale, what="judgments")
    return labels if (labels["source"] == "judge").any() else labels.with_columns(source=pl.lit("judge"))


def _checked(
    human: pl.DataFrame, judged: pl.DataFrame, scale: Scale, *, on: str, resamples: int, seed: int
) -> JudgeCheck:
    found = check_judge(human, judged, scale, on=f"the pairs that {on} grades", resamples=resamples, seed=seed)
    return replace(found, notes=(*found.notes, *left_out(human, judged)))


def _texts(
    collection: StrPath | Collection | None, runs: Mapping[str, pl.DataFrame], judge: JudgeCheck | None
) -> tuple[dict[str, str], Mapping[str, str]]:
    """The texts of queries, and of the documents that the page shows."""
    if collection is None:
        return {}, {}
    shown = shown_documents(runs) | ({pair.doc_id for pair in disagreements(judge)} if judge else set())
    table = pl.DataFrame({"doc_id": sorted(shown)}, schema={"doc_id": pl.String})
    return texts_of(table, load_collection(collection), DEFAULT_TEMPLATE)


def _costs(labels: pl.DataFrame, judged: pl.DataFrame | None) -> list[Cost]:
    queries = labels["query_id"].n_unique()
    each = f"{number(labels.height / queries, '.0f')} a query, in the qrels"
    costs = [Cost(f"{labels.height:,}", "labels measured on", each)]
    if judged is not None:
        costs.append(Cost(f"{judged.height:,}", "judged labels", counted(judged["query_id"].n_unique(), "query")))
    return costs
