"""The verbs that measure: `evaluate` and `agree`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import ForceOption, JsonOption, ResamplesOption, SeedOption, print_result, verb

_SCALES = "0-3, 1-4, binary or lowest-highest:relevant"
MeasuresOption = Annotated[
    list[str] | None,
    typer.Option(
        "--measures",
        "--measure",
        "-m",
        help="As ir-measures writes them, with commas between or repeatable: nDCG@10,AP. Levels count from the "
        "scale's lowest grade.",
    ),
]
BaselineOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The run that the others are tested against; default: the first.")
]
ScaleOption = Annotated[
    str | None,
    typer.Option(help=f"{_SCALES}; default: from 0, relevant from 2, or from 1 where no grade is higher."),
]
JudgeLabelsOption = Annotated[bool, typer.Option("--judge-labels", help="Allow labels that a judge gave.")]


@verb(
    "relsearch evaluate qrels.tsv bm25.trec reranked.trec",
    "relsearch evaluate qrels.tsv bm25.trec reranked.trec --measures nDCG@10,AP --json",
    "relsearch evaluate qrels.tsv bm25.trec reranked.trec --baseline reranked --per-query values.csv",
    "relsearch evaluate qrels.tsv bm25.trec reranked.trec --judgments judgments.parquet",
)
def evaluate(
    qrels: Annotated[
        Path, typer.Argument(metavar="QRELS", help="Qrels: TREC, BEIR, JSON lines, or a judgments table (.parquet).")
    ],
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="TREC runs; plain, .gz or .zst.")],
    measure: MeasuresOption = None,
    baseline: BaselineOption = None,
    per_query: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write each query's values: .csv or .jsonl.")
    ] = None,
    scale: ScaleOption = None,
    judge_labels: JudgeLabelsOption = False,
    judgments: Annotated[
        Path | None,
        typer.Option(
            help="A judge's labels of these queries and more, neither tuned nor calibrated on these grades: intervals "
            "from both kinds together."
        ),
    ] = None,
    resamples: ResamplesOption = 2000,
    seed: SeedOption = 13,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure runs, with confidence intervals and paired tests.

    Values are trec_eval's: a run is ordered by its scores, in single precision; documents with equal scores are ordered
    by id, descending; the ranks in the file do not count. A labelled query that a run lacks counts 0.
    """
    from relsearch.api.measuring import evaluate as measured
    from relsearch.core.measures import parse_measures
    from relsearch.measure.values_file import check_values_file, write_values

    names = measure_names(measure)
    parse_measures(names)
    if per_query is not None:
        check_values_file(per_query, inputs=[qrels, *runs, *([judgments] if judgments else [])], force=force)
    result = measured(
        qrels,
        named_runs(runs),
        measures=names,
        baseline=baseline,
        scale=scale,
        judge_labels=judge_labels,
        judgments=judgments,
        resamples=resamples,
        seed=seed,
    )
    if per_query is not None:
        write_values(result.rows(), per_query)
    if as_json:
        found = {**result.to_json(), "per_query": result.per_query_json(), "notes": list(result.notes)}
        typer.echo(json.dumps(found, indent=1))
    else:
        typer.echo(result.to_table())
    for note in result.notes:
        typer.echo(note, err=True)
    if judge_labels:
        typer.echo("measured on labels of which some or all come from a judge, not from people", err=True)


@verb(
    "relsearch agree human.qrels judgments.parquet --plot reliability.svg",
)
def agree(
    qrels: Annotated[Path, typer.Argument(metavar="QRELS", help="TREC qrels file with human labels.")],
    judged: Annotated[
        Path,
        typer.Argument(
            metavar="JUDGED", help="The judge's labels: TREC qrels, a judgments table, or a folder of them."
        ),
    ],
    scale: Annotated[str, typer.Option(help=f"{_SCALES}.")] = "0-3",
    plot: Annotated[Path | None, typer.Option(help="Write a reliability diagram (SVG) to this file.")] = None,
    resamples: ResamplesOption = 2000,
    seed: SeedOption = 13,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how far judge labels agree with human ones.

    Where the labels have probabilities, shows how reliable these are.
    """
    from relsearch.api.measuring import agree as compared
    from relsearch.core.files.atomic import replace_text
    from relsearch.core.files.outputs import check_output
    from relsearch.measure.plot import is_diagram

    if plot is not None:
        check_output(plot, inputs=[qrels, judged], ours=is_diagram, force=force)
    found = compared(qrels, judged, scale=scale, resamples=resamples, seed=seed)
    for note in found.notes:
        typer.echo(note, err=True)
    if plot is not None:
        replace_text(plot, found.diagram())
    print_result(found, as_json=as_json)


def measure_names(given: list[str] | None) -> list[str]:
    """Return the measures that an option names; commas stand between them, but for those in parentheses."""
    return [name.strip() for each in given or () for name in re.split(r",(?![^(]*\))", each)]


def named_runs(paths: list[Path]) -> dict[str, Path]:
    """Return the runs by name, as relsearch.evaluate names them; one that is given twice is wrong usage."""
    from relsearch.api.measuring import named_runs as named

    if len(set(paths)) < len(paths):
        raise typer.BadParameter(f"run {next(path for path in paths if paths.count(path) > 1)} is given twice")
    return named(paths)
