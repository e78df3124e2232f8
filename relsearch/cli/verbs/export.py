"""The verb that makes bundles: `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relsearch.cli.app import DEFAULT_CONFIG, ConfigOption, JsonOption, verb
from relsearch.core.errors import DataError
from relsearch.core.settings.config import Runtime

if TYPE_CHECKING:
    from relsearch.exporters.bundle.choose import ExportReport


@verb(
    "relsearch export -c relsearch.toml",
    "relsearch export --model cross-encoder/ms-marco-MiniLM-L6-v2 -o bundle",
    "relsearch export --judge runs/relsearch/tune --collection my-collection -o judge",
)
def export(
    config: ConfigOption = DEFAULT_CONFIG,
    model: Annotated[
        str | None, typer.Option(help="Any cross-encoder instead: a folder, a hub id or package:NAME.")
    ] = None,
    judge: Annotated[Path | None, typer.Option(help="A tuned judge of the encoder family instead: its folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder to write of --model or --judge.")
    ] = None,
    collection: Annotated[str, typer.Option(help="Labelled texts on which an export is compared with torch.")] = "demo",
    max_length: Annotated[int, typer.Option(min=8, help="How many tokens of a pair --model reads.")] = 512,
    runtime: Annotated[Runtime | None, typer.Option(help="What runs the bundle of --model.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a bundle or judge in --output; files of yours there never go.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export ONNX bundles that pass the parity gate.

    Exports both rerankers of the pipeline; with --model any cross-encoder; with --judge a judge, which then grades
    without torch and the model hub.
    """
    from relsearch.core.settings.config import ExportConfig
    from relsearch.core.settings.load import load_config

    if model is None and judge is None:
        from relsearch.api.pipeline import Pipeline
        from relsearch.cli.verbs.stages import show_stages

        show_stages(Pipeline(config), "export", as_json=as_json).check()
        return
    if output is None or (model is not None and judge is not None):
        raise typer.BadParameter("give --output, the folder to write, with either --model or --judge")
    if not force and output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output}: holds something already; name another folder, or give --force to replace a bundle")
    from relsearch.core.extras import check_packages
    from relsearch.data.collection import load_collection

    check_packages("export", "export", ("torch", "transformers", "onnx", "onnxscript"))
    source = load_collection(collection)
    if model is None:
        from relsearch.exporters.bundle.judge import export_labelled_judge

        figures = export_labelled_judge(Path(str(judge)), output, collection=source).figures
        typer.echo(
            json.dumps(figures) if as_json else f"{output}: {figures['same_grades']:.1%} of the grades are torch's"
        )
        return
    from relsearch.exporters.bundle.cross_encoder import export_foreign

    gate = load_config(config).export if config.is_file() else ExportConfig()
    if runtime is not None:
        gate = gate.model_copy(update={"runtime": runtime})
    report = export_foreign(model, output, collection=source, config=gate, max_length=max_length)
    typer.echo(json.dumps(report.figures(), indent=1) if as_json else _brief(report, output))


def _brief(report: ExportReport, output: Path) -> str:
    said = f"{output}: {report.recipe}, {report.megabytes} MB, last layer: {report.last_layer}\n{report.reason}"
    if report.tried is None or report.speed is None:
        return said
    return (
        f"{said}\nfewer bits against fp32: {report.speed.ms_candidate:.0f} against {report.speed.ms_reference:.0f} ms "
        f"per 100 documents, NDCG@10 loss {report.tried.ndcg_loss:.2%}, "
        f"top-10 overlap {report.tried.top10_overlap:.1f} ({' '.join(report.cpu_flags)})"
    )
