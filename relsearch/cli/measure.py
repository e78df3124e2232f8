"""The verbs that measure: `evaluate` and `agree`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relsearch.cli.app import JsonOption, SeedOption, app, print_result

if TYPE_CHECKING:
    import polars as pl

    from relsearch.types import Scale


@app.command()
def evaluate(
    qrels: Annotated[Path, typer.Argument(help="TREC qrels, or a judgments table (.parquet).")],
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="TREC runs; tests are against the first.")],
    measure: Annotated[
        list[str] | None, typer.Option("--measure", "-m", help="In ir-measures notation; repeatable.")
    ] = None,
    judge_labels: Annotated[bool, typer.Option("--judge-labels", help="Allow labels that a judge gave.")] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: SeedOption = 13,
    as_json: JsonOption = False,
) -> None:
    """Measure runs with confidence intervals, and test each against the first."""
    from relsearch.config import EvaluateConfig
    from relsearch.evaluate import evaluate as evaluate_runs
    from relsearch.evaluate import refuse_judge_labels
    from relsearch.trec import read_run

    labels = _labels(qrels, None)
    refuse_judge_labels(labels, allow=judge_labels)
    measures = tuple(measure) if measure else EvaluateConfig().measures
    loaded = {_unique_name(path, runs): read_run(path) for path in runs}
    result = evaluate_runs(labels, loaded, measures=measures, resamples=resamples, seed=seed)
    print_result(result, as_json=as_json)
    if judge_labels:
        typer.echo("measured on labels of which some or all come from a judge, not from people", err=True)


@app.command()
def agree(
    qrels: Annotated[Path, typer.Argument(help="TREC qrels file with human labels.")],
    judged: Annotated[Path, typer.Argument(help="The labels to hold against them: TREC qrels or a judgments table.")],
    scale: Annotated[str, typer.Option(help="0-3, 1-4, binary or lowest-highest:relevant.")] = "0-3",
    plot: Annotated[Path | None, typer.Option(help="Write a reliability diagram (SVG) to this file.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: SeedOption = 13,
    as_json: JsonOption = False,
) -> None:
    """Measure how far judge labels agree with human ones, and how reliable their probabilities are."""
    from relsearch.agreement import agreement
    from relsearch.atomic import replace_text
    from relsearch.config import parse_scale
    from relsearch.diagram import is_diagram
    from relsearch.outputs import check_output
    from relsearch.reliability import has_probabilities, reliability

    if plot is not None:
        check_output(plot, inputs=[qrels, judged], ours=is_diagram)
    parsed = parse_scale(scale)
    human, labels = _labels(qrels, parsed), _labels(judged, parsed)
    found = agreement(human, labels, parsed, resamples=resamples, seed=seed)
    if plot is None and not has_probabilities(labels):
        print_result(found, as_json=as_json)
        return
    bins = reliability(human, labels, parsed, resamples=resamples, seed=seed)
    if plot is not None:
        replace_text(plot, bins.to_svg())
    both = {**found.to_json(), "reliability": bins.to_json()}
    typer.echo(json.dumps(both, indent=1) if as_json else f"{found.to_table()}\n\n{bins.to_table()}")


def _labels(path: Path, scale: Scale | None) -> pl.DataFrame:
    from relsearch import tables
    from relsearch.trec import read_qrels

    return tables.read(path, tables.JUDGMENTS) if path.suffix == ".parquet" else read_qrels(path, scale)


def _unique_name(path: Path, paths: list[Path]) -> str:
    return path.stem if [other.stem for other in paths].count(path.stem) == 1 else str(path)
