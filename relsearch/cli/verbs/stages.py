"""The verbs that follow a relsearch.toml: `run` and one a stage."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from relsearch.cli.app import DEFAULT_CONFIG, ConfigOption, JsonOption, OnOption, verb
from relsearch.cli.verbs.report import PAGE
from relsearch.cluster.processes import is_first, part
from relsearch.core.settings.run import On

if TYPE_CHECKING:
    from relsearch.api.pipeline import Pipeline, PipelineResult
    from relsearch.pipeline.order import StageResult


class Stage(Enum):
    """The commands that follow a config, with their help."""

    collect = "Load documents, queries and labels, and split the queries."
    index = "Build the index of each configured searcher."
    pool = "Search every query and merge the candidates."
    tune = "Tune the judge on the training queries' human labels."
    judge = "Judge the pools of training and unlabelled queries."
    synthesize = "Write queries from documents and label them with the judge."
    augment = "Join human and judged labels into training examples."
    train = "Train a reranker on human labels, and one on augmented labels."
    optimize = "Repeat rank, judge and train while dev queries gain."


@verb("relsearch run -c relsearch.toml", resumes=True)
def run(config: ConfigOption = DEFAULT_CONFIG, on: OnOption = None, as_json: JsonOption = False) -> None:
    """Run every stage that is not up to date and write a report."""
    from relsearch.report import from_run_folder, write_page
    from relsearch.report.page import check_page

    pipeline = _pipeline(config, on)
    page = pipeline.config.output / PAGE
    check_page(page)
    result = show_stages(pipeline, None, as_json=as_json)
    typer.echo(f"report: {write_page(from_run_folder(pipeline.config.output), page)}", err=True)
    result.check()


def _add_stage_command(stage: Stage) -> None:
    def command(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
        show_stages(_pipeline(config), stage.name, as_json=as_json).check()

    def spread(config: ConfigOption = DEFAULT_CONFIG, on: OnOption = None, as_json: JsonOption = False) -> None:
        show_stages(_pipeline(config, on), stage.name, as_json=as_json).check()

    verb(
        f"relsearch {stage.name} -c relsearch.toml",
        name=stage.name,
        text=stage.value if stage is Stage.collect else f"{stage.value} Needs the stages before it to be up to date.",
        resumes=True,
    )(spread if stage in (Stage.judge, Stage.synthesize) else command)


for _stage in Stage:
    _add_stage_command(_stage)


def _pipeline(config: Path, on: On | None = None) -> Pipeline:
    """The pipeline of a file; `on` stands in for its `[run] on`."""
    from relsearch.api.pipeline import Pipeline

    pipeline = Pipeline(config)
    if on is None:
        return pipeline
    run = pipeline.config.run.model_copy(update={"on": on})
    return Pipeline(pipeline.config.model_copy(update={"run": run}))


def show_stages(pipeline: Pipeline, stage: str | None, *, as_json: bool) -> PipelineResult:
    """Run stages; print a line as each one ends, and the table of all, or their JSON; return what became of them.

    Of several processes the first prints.
    """
    result = pipeline.run(stage, on_stage=_print_stage)
    part()
    if not is_first():
        return result
    typer.echo(json.dumps([vars(each) for each in result.stages], indent=1) if as_json else result.to_table())
    return result


def _print_stage(result: StageResult) -> None:
    typer.echo(f"{result.name}: {result.status} in {result.seconds:.0f} s", err=True)
