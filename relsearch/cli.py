"""The command line: one thin command a stage, and the only place that prints.

Exit status: 0 done, 1 a gate or the data failed, 2 wrong usage.
"""

from __future__ import annotations

import json
import logging
import textwrap
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relsearch import __version__
from relsearch.errors import RelsearchError
from relsearch.template import DEFAULT_TEMPLATE

if TYPE_CHECKING:
    import polars as pl

    from relsearch.pipeline import StageResult
    from relsearch.types import Scale

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Better-ranked search from BM25, a few human labels and a small fine-tuned judge.",
    epilog="Start with: relsearch run -c relsearch.toml, or rerank a TREC run: relsearch rerank RUN --bundle B.",
)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The relsearch.toml to follow.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the bootstrap.")]
DEFAULT_CONFIG = Path("relsearch.toml")
_BRIEF_WIDTH = 44  # keeps the table of stages within 80 columns


class Verb(Enum):
    """The commands that follow a config, with their help."""

    collect = "Load documents, queries and human labels, and split the queries."
    index = "Build the index of each configured searcher."
    pool = "Search every query and unite the candidates."
    tune = "LoRA-tune the judge on the training queries' human labels."
    judge = "Judge the pools of training and unlabelled queries."
    augment = "Join human and judged labels into training examples."
    train = "Train a reranker on human labels, and one on augmented labels."
    export = "Export both to ONNX bundles, held to the parity gate."


def main() -> None:
    """Run the command line; relsearch's own errors become one line on stderr and exit status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        app()
    except RelsearchError as exc:
        if logging.getLogger().isEnabledFor(logging.INFO):
            raise
        typer.echo(f"relsearch: {exc}", err=True)
        raise SystemExit(1) from None


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is done, and show where an error arose.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before the verb."""
    if verbose:
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # else one line a request


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Run every stage that is not up to date and print one table."""
    from relsearch.config import load_config
    from relsearch.pipeline import run_all

    _show_stages(run_all(load_config(config)), as_json=as_json)


def _add_stage_command(verb: Verb) -> None:
    @app.command(verb.name, help=f"{verb.value} Needs the stages before it to be up to date.")
    def command(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
        from relsearch.config import load_config
        from relsearch.pipeline import run_verb

        _show_stages(run_verb(verb.name, load_config(config)), as_json=as_json)


for _verb in Verb:
    _add_stage_command(_verb)


@app.command()
def rerank(
    run_file: Annotated[Path, typer.Argument(metavar="RUN", help="The TREC run to rerank.")],
    bundle: Annotated[Path, typer.Option(help="The bundle folder that export wrote.")],
    collection: Annotated[str, typer.Option(help="Where texts come from: a BEIR folder, demo, ir_datasets:ID.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The run to write; default: stdout.")] = None,
    depth: Annotated[int, typer.Option(min=1, help="How many candidates a query are reranked.")] = 100,
    tag: Annotated[str, typer.Option(help="The name of the new run.")] = "relsearch",
) -> None:
    """Rerank a TREC run with a bundle; needs no torch."""
    from relsearch.corpus import load_collection
    from relsearch.exporters.trec import run_text, write_run
    from relsearch.rerank.onnx_scorer import OnnxScorer
    from relsearch.rerank.rank import rerank_run
    from relsearch.trec import read_run

    source = load_collection(collection)
    first = read_run(run_file)
    scorer = OnnxScorer.open(bundle)
    wanted = set(first["doc_id"])
    texts = {doc.doc_id: scorer.render(doc.fields) for doc in source.documents() if doc.doc_id in wanted}
    queries = {query.query_id: query.text for query in source.queries()}
    run = rerank_run(first, queries, texts, scorer, depth=depth)
    if output:
        write_run(run, output, tag=tag)
    else:
        typer.echo(run_text(run, tag=tag), nl=False)


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
    _print_result(result, as_json=as_json)
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
    from relsearch.config import parse_scale
    from relsearch.exporters.files import replace_text
    from relsearch.reliability import has_probabilities, reliability

    parsed = parse_scale(scale)
    human, labels = _labels(qrels, parsed), _labels(judged, parsed)
    found = agreement(human, labels, parsed, resamples=resamples, seed=seed)
    if plot is None and not has_probabilities(labels):
        _print_result(found, as_json=as_json)
        return
    bins = reliability(human, labels, parsed, resamples=resamples, seed=seed)
    if plot is not None:
        replace_text(plot, bins.to_svg())
    both = {**found.to_json(), "reliability": bins.to_json()}
    typer.echo(json.dumps(both, indent=1) if as_json else f"{found.to_table()}\n\n{bins.to_table()}")


@app.command()
def grade(
    run_file: Annotated[Path, typer.Argument(metavar="RUN", help="The TREC run whose pairs are graded.")],
    collection: Annotated[str, typer.Option(help="Where texts come from: a BEIR folder, demo, ir_datasets:ID.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A judgments table (.parquet), or TREC qrels.")],
    judge: Annotated[str, typer.Option(help="ready, zero-shot, or the folder of a judge or stack.")] = "ready",
    depth: Annotated[int, typer.Option(min=1, help="How many candidates a query are graded.")] = 20,
    scale: Annotated[str, typer.Option(help="0-3, 1-4, binary or lowest-highest:relevant.")] = "0-3",
    as_json: JsonOption = False,
) -> None:
    """Grade the top of a TREC run with a judge; needs no labels and no config.

    relsearch grade bm25.trec --collection my-collection -o judgments.parquet

    An interrupted run goes on where it stopped. `relsearch agree` holds the labels against human ones,
    `relsearch review` picks the pairs that people should grade.
    """
    from relsearch.config import CollectionConfig, Config, LabelConfig
    from relsearch.show import table
    from relsearch.stages.grade import grade_run

    config = Config(
        collection=CollectionConfig(source=collection, scale=scale), label=LabelConfig(judge=judge, depth=depth)
    )
    counts = dict(grade_run(run_file, output, config).group_by("grade").len().sort("grade").iter_rows())
    if as_json:
        typer.echo(json.dumps({"output": str(output), "grades": counts}))
        return
    typer.echo(table(["grade", "pairs"], [[str(grade), str(count)] for grade, count in counts.items()]))


@app.command()
def review(
    judgments: Annotated[
        Path | None, typer.Argument(metavar="JUDGMENTS", help="The table that judge wrote: judgments.parquet.")
    ] = None,
    export: Annotated[int | None, typer.Option("--export", min=1, metavar="N", help="Write N pairs to grade.")] = None,
    filled: Annotated[Path | None, typer.Option("--import", metavar="FILE", help="Read the graded CSV back.")] = None,
    collection: Annotated[str, typer.Option(help="Export: where texts come from, as in rerank.")] = "",
    run_file: Annotated[
        Path | None, typer.Option("--run", help="Export: TREC run or candidates table; high ranks are asked first.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="Human labels, TREC. Export leaves their pairs out; import adds to the file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Export: the CSV; default: stdout.")] = None,
    template: Annotated[str, typer.Option(help="Export: how a document is shown.")] = DEFAULT_TEMPLATE,
    characters: Annotated[int, typer.Option(min=20, max=30_000, help="Export: where texts are cut.")] = 1500,
    show_judged: Annotated[
        bool, typer.Option("--show-judged", help="Export: show the judge's grades; assessors lean towards them.")
    ] = False,
    scale: Annotated[str, typer.Option(help="Import: 0-3, 1-4, binary or lowest-highest:relevant.")] = "0-3",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Import: let a new grade replace one in qrels.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask people for the labels that help most: write pairs to a CSV, read the graded CSV back.

    relsearch review JUDGMENTS --collection SRC --export 50 -o review.csv

    Fill in the column grade in any spreadsheet; rows left empty are skipped. Then:

    relsearch review --import review.csv --qrels human.qrels

    Pairs come first where the judge is unsure and the rank is high, spread over the queries; none that the
    collection or --qrels has a label for. With JUDGMENTS, import checks that no spreadsheet changed an id.
    Cells that a spreadsheet would run or rewrite start with an apostrophe, which import takes away.
    """
    from relsearch.config import parse_scale
    from relsearch.stages.review import export_review, import_review

    if filled and qrels and export is None:
        counts = import_review(filled, qrels, judgments=judgments, scale=parse_scale(scale), overwrite=overwrite)
        brief = ", ".join(f"{count} {name}" for name, count in counts.items())
        typer.echo(json.dumps(counts, indent=1) if as_json else f"{qrels}: {brief}")
    elif export and judgments and collection and not filled:
        text = export_review(
            judgments,
            output,
            count=export,
            collection=collection,
            run=run_file,
            qrels=qrels,
            template=template,
            characters=characters,
            show_judged=show_judged,
        )
        typer.echo(text if output is None else "", nl=False)
    else:
        raise typer.BadParameter("give JUDGMENTS, --collection and --export, or --import and --qrels")


def _labels(path: Path, scale: Scale | None) -> pl.DataFrame:
    from relsearch import tables
    from relsearch.trec import read_qrels

    return tables.read(path, tables.JUDGMENTS) if path.suffix == ".parquet" else read_qrels(path, scale)


def _unique_name(path: Path, paths: list[Path]) -> str:
    return path.stem if [other.stem for other in paths].count(path.stem) == 1 else str(path)


def _print_result(result: Any, *, as_json: bool) -> None:
    typer.echo(json.dumps(result.to_json(), indent=1) if as_json else result.to_table())


def _show_stages(results: Iterable[StageResult], *, as_json: bool) -> None:
    from relsearch.show import table

    collected = []
    for result in results:
        collected.append(result)
        typer.echo(f"{result.name}: {result.status} in {result.seconds:.0f} s", err=True)
    if as_json:
        typer.echo(json.dumps([vars(result) for result in collected], indent=1))
        return
    rows = [[r.name, r.status, f"{r.seconds:.0f}", _brief(r.figures)] for r in collected]
    typer.echo(table(["stage", "status", "s", "figures"], rows))
    for result in collected:
        if "table" in result.figures:
            typer.echo(f"\n{result.figures['table']}")


def _brief(figures: dict[str, Any]) -> str:
    parts = [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if isinstance(value, int | float | str) and name != "table"
    ]
    return textwrap.shorten(", ".join(parts), _BRIEF_WIDTH, placeholder=" …")
