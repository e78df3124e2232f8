"""A report from qrels and TREC runs alone, with texts where a collection is given and a judge where its labels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from relsearch import __version__
from relsearch.core.display.text_table import number
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.files.atomic import checksum
from relsearch.core.measures import default_measures
from relsearch.core.scale import HIGHEST, parse_scale
from relsearch.core.types import Scale
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.frames import Runs
from relsearch.data.trec import read_labels, read_run
from relsearch.measure.agreement import left_out
from relsearch.measure.evaluate import evaluate, refuse_judge_labels
from relsearch.measure.query_values import inferred_level
from relsearch.report.data import Cost, JudgeCheck, ReportData, check_judge, count_labels
from relsearch.report.depths import quality_by_depth
from relsearch.report.judge import disagreements
from relsearch.report.queries import RANKS, shown_documents
from relsearch.report.words import count

_JUDGE_LABELS = "Measured on labels of which some or all come from a judge, not from people."


def from_files(
    qrels: Path,
    runs: Mapping[str, Path],
    *,
    collection: str | None = None,
    judgments: Path | None = None,
    measures: Sequence[str] = (),
    baseline: str | None = None,
    scale: str | None = None,
    judge_labels: bool = False,
    resamples: int,
    seed: int,
    command: str = "",
) -> ReportData:
    """Measure the runs and return their report; the last run that is not the baseline is the featured one.

    Raise the errors of reading, of `evaluate` and, with `judgments`, of `check_judge`. A label that a judge gave is
    refused unless `judge_labels`.
    """
    parsed = parse_scale(scale) if scale is not None else None
    labels = read_labels(qrels, parsed)
    refuse_judge_labels(labels, allow=judge_labels)
    known = parsed or _inferred(labels)
    result = evaluate(
        labels,
        Runs(runs),
        measures=measures or default_measures(known.level),
        resamples=resamples,
        seed=seed,
        lowest=known.lowest,
        baseline=baseline,
        strict=bool(measures),
    )
    wanted = pl.Series(result.query_ids, dtype=pl.String).implode()
    heads = {
        name: read_run(path).filter(pl.col("rank") <= RANKS, pl.col("query_id").is_in(wanted))
        for name, path in runs.items()
    }
    judged = _judged(judgments, known) if judgments else None
    judge = None if judged is None else _checked(labels, judged, known, on=qrels.name, resamples=resamples, seed=seed)
    queries, documents = _texts(collection, heads, judge)
    tables = {"human": labels.filter(pl.col("source") != "judge"), "judge": labels.filter(pl.col("source") == "judge")}
    if judged is not None:
        tables["judge"] = judged
    inputs = [qrels, *runs.values(), *([judgments] if judgments else [])]
    featured = next(name for name in reversed(list(runs)) if name != result.baseline or len(runs) == 1)
    return ReportData(
        title=" and ".join([", ".join(list(runs)[:-1]), list(runs)[-1]]) if len(runs) > 1 else next(iter(runs)),
        scale=known,
        evaluation=result,
        featured=featured,
        by_depth=quality_by_depth(result, labels, Runs(runs), featured, lowest=known.lowest),
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
            **({"collection": collection} if collection else {}),
            **{str(path): f"sha256 {checksum(path)[:16]}…" for path in inputs},
        },
        commands=(command,) if command else (),
        notes=(*result.notes, *([_JUDGE_LABELS] if judge_labels else [])),
    )


def _inferred(labels: pl.DataFrame) -> Scale:
    """The scale that labels without one have: from 0, relevant as `evaluate` takes it."""
    level = inferred_level(labels)
    highest = max(level, *labels["grade"].drop_nulls().clip(upper_bound=HIGHEST))
    return Scale(0, tuple(f"grade {grade}" for grade in range(highest + 1)), level)


def _judged(path: Path, scale: Scale) -> pl.DataFrame:
    """A judge's labels; qrels do not say whose they are, a judgments table does."""
    labels = read_labels(path, scale)
    return labels if path.suffix == ".parquet" else labels.with_columns(source=pl.lit("judge"))


def _checked(
    human: pl.DataFrame, judged: pl.DataFrame, scale: Scale, *, on: str, resamples: int, seed: int
) -> JudgeCheck:
    found = check_judge(human, judged, scale, on=f"the pairs that {on} grades", resamples=resamples, seed=seed)
    return replace(found, notes=(*found.notes, *left_out(human, judged)))


def _texts(
    collection: str | None, runs: Mapping[str, pl.DataFrame], judge: JudgeCheck | None
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
        costs.append(Cost(f"{judged.height:,}", "judged labels", count(judged["query_id"].n_unique(), "query")))
    return costs
