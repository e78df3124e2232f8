"""The verb that shows a comparison as a page: `report`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import ForceOption, ResamplesOption, SeedOption, verb
from relsearch.cli.verbs.measure import (
    BaselineOption,
    JudgeLabelsOption,
    MeasuresOption,
    ScaleOption,
    measure_names,
    named_runs,
)

PAGE = "report.html"
_FOR_RUNS = ("collection", "judgments", "measure", "baseline", "scale", "judge_labels", "resamples", "seed")


@verb(
    "relsearch report qrels.tsv bm25.trec reranked.trec --collection my-collection -o report.html",
    "relsearch report runs/relsearch",
)
def report(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A folder that run wrote, or qrels as evaluate takes them.")
    ],
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="With qrels: the TREC runs.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"The page to write; default: {PAGE}, in the run folder if there is one."),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="Where texts come from: a BEIR folder, demo, ir_datasets:ID.")
    ] = None,
    judgments: Annotated[
        Path | None, typer.Option(help="A judge's labels, to compare with the qrels: qrels or a judgments table.")
    ] = None,
    measure: MeasuresOption = None,
    baseline: BaselineOption = None,
    scale: ScaleOption = None,
    judge_labels: JudgeLabelsOption = False,
    resamples: ResamplesOption = 2000,
    seed: SeedOption = 13,
    force: ForceOption = False,
) -> None:
    """Write a comparison as one HTML page.

    It shows the gain and its cost, each query's result lists side by side, the judge compared with people, and how
    everything was made; it needs no network. The first screen is about the reranker that ships, or the last run that is
    named. A run folder has its own settings: with one, give only --output and --force.
    """
    from relsearch.api.reporting import Report
    from relsearch.core.errors import DataError
    from relsearch.report.page import check_page

    given = runs or []
    if not source.exists():
        raise DataError(f"{source}: is not there; give a folder that `relsearch run` wrote, or qrels and runs")
    folder = source.is_dir()
    if folder == bool(given):
        raise typer.BadParameter("give a run folder alone, or qrels and the runs to compare")
    if folder and (unread := [name for name in _FOR_RUNS if _is_given(context, name)]):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in unread)
        raise typer.BadParameter(f"{options}: for qrels and runs; a run folder has settings of its own")
    path = output or (source / PAGE if folder else Path(PAGE))
    check_page(path, inputs=[] if folder else [source, *given, *([judgments] if judgments else [])], force=force)
    if folder:
        made = Report(source)
    else:
        made = Report.of_runs(
            source,
            named_runs(given),
            collection=collection,
            judgments=judgments,
            measures=measure_names(measure),
            baseline=baseline,
            scale=scale,
            judge_labels=judge_labels,
            resamples=resamples,
            seed=seed,
            command=shlex.join(["relsearch", *sys.argv[1:]]),
        )
    typer.echo(made.save(path, force=force))


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether the command line has the option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
