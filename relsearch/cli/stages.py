"""The verbs that follow a relsearch.toml: `run` and one a stage."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import typer

from relsearch.cli.app import DEFAULT_CONFIG, ConfigOption, JsonOption, verb
from relsearch.cli.report import PAGE

if TYPE_CHECKING:
    from relsearch.pipeline.order import StageResult

_BRIEF_WIDTH = 44  # keeps the table of stages within 80 columns


class Stage(Enum):
    """The commands that follow a config, with their help."""

    collect = "Load documents, queries and labels, and split the queries."
    index = "Build the index of each configured searcher."
    pool = "Search every query and unite the candidates."
    tune = "LoRA-tune the judge on the training queries' human labels."
    judge = "Judge the pools of training and unlabelled queries."
    synthesize = "Write queries from documents and label them with the judge."
    augment = "Join human and judged labels into training examples."
    train = "Train a reranker on human labels, and one on augmented labels."
    optimize = "Repeat rank, judge and train while dev queries gain."


@verb("relsearch run -c relsearch.toml", resumes=True)
def run(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Run every stage that is not up to date and write a report."""
    from relsearch.core.settings.load import load_config
    from relsearch.pipeline.order import check_quality_gate, run_all
    from relsearch.report import from_run_folder, write_page
    from relsearch.report.page import check_page

    settings = load_config(config)
    page = settings.output / PAGE
    check_page(page)
    results = show_stages(run_all(settings), as_json=as_json)
    typer.echo(f"report: {write_page(from_run_folder(settings.output), page)}", err=True)
    check_quality_gate(results, settings)


def _add_stage_command(stage: Stage) -> None:
    @verb(
        f"relsearch {stage.name} -c relsearch.toml",
        name=stage.name,
        text=f"{stage.value} Needs the stages before it to be up to date.",
        resumes=True,
    )
    def command(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
        from relsearch.core.settings.load import load_config
        from relsearch.pipeline.order import check_quality_gate, run_verb

        settings = load_config(config)
        check_quality_gate(show_stages(run_verb(stage.name, settings), as_json=as_json), settings)


for _stage in Stage:
    _add_stage_command(_stage)


def show_stages(results: Iterable[StageResult], *, as_json: bool) -> list[StageResult]:
    """Print a line as each stage ends, and the table of all, or their JSON; return what became of each."""
    collected = []
    for result in results:
        collected.append(result)
        typer.echo(f"{result.name}: {result.status} in {result.seconds:.0f} s", err=True)
    if as_json:
        typer.echo(json.dumps([vars(result) for result in collected], indent=1))
    else:
        _show_tables(collected)
    return collected


def _show_tables(collected: Sequence[StageResult]) -> None:
    from relsearch.core.text_table import table

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
