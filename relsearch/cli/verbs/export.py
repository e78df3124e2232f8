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
    "relsearch export --encoder intfloat/multilingual-e5-small --query-prefix 'query: ' --document-prefix 'passage: ' "
    "-o multilingual",
    "relsearch export --judge runs/relsearch/tune --collection my-collection -o judge",
)
def export(
    config: ConfigOption = DEFAULT_CONFIG,
    model: Annotated[
        str | None, typer.Option(help="Any cross-encoder instead: a folder, a hub id or package:NAME.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Any sentence encoder instead, weighed as the ready reranker is: folder, hub id, package:NAME."
        ),
    ] = None,
    query_prefix: Annotated[
        str | None, typer.Option(help="What --encoder expects before a query, by default what its folder says.")
    ] = None,
    document_prefix: Annotated[str | None, typer.Option(help="What it expects before a document, likewise.")] = None,
    judge: Annotated[Path | None, typer.Option(help="A tuned judge of the encoder family instead: its folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder to write of --model, --encoder or --judge.")
    ] = None,
    collection: Annotated[str, typer.Option(help="Labelled texts on which an export is compared with torch.")] = "demo",
    max_length: Annotated[
        int | None, typer.Option(min=8, help="Tokens that are read: of a pair 512, by --encoder 160 of a text.")
    ] = None,
    runtime: Annotated[Runtime | None, typer.Option(help="What runs the bundle of --model or --encoder.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a bundle or judge in --output; files of yours there never go.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export ONNX bundles that pass the parity gate.

    Exports both rerankers of the pipeline; with --model any cross-encoder; with --encoder any sentence encoder as a
    reranker that needs no labels, such as one of your language; with --judge a judge, which then grades without torch
    and the model hub.
    """
    from relsearch.core.settings.config import EncoderConfig, ExportConfig
    from relsearch.core.settings.load import load_config

    named = [option for option in (model, encoder, judge) if option is not None]
    idle = {
        "--output": output is not None and not named,
        "--force": force and not named,
        "--max-length": max_length is not None and model is None and encoder is None,
        "--runtime": runtime is not None and model is None and encoder is None,
        "--query-prefix": query_prefix is not None and encoder is None,
        "--document-prefix": document_prefix is not None and encoder is None,
    }
    if wrong := [option for option, is_idle in idle.items() if is_idle]:
        raise typer.BadParameter(f"{', '.join(wrong)}: has no effect here; --help says what it goes with")
    if not named:
        from relsearch.api.pipeline import Pipeline
        from relsearch.cli.verbs.stages import show_stages

        show_stages(Pipeline(config), "export", as_json=as_json).check()
        return
    if output is None or len(named) > 1:
        raise typer.BadParameter("give --output, the folder to write, with one of --model, --encoder and --judge")
    if not force and output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output}: holds something already; name another folder, or give --force to replace a bundle")
    from relsearch.core.extras import check_packages
    from relsearch.data.collection import load_collection

    check_packages("export", "export", ("torch", "transformers", "onnx", "onnxscript"))
    source = load_collection(collection)
    if judge is not None:
        from relsearch.exporters.bundle.judge import export_labelled_judge

        figures = export_labelled_judge(judge, output, collection=source).figures
        typer.echo(
            json.dumps(figures) if as_json else f"{output}: {figures['same_grades']:.1%} of the grades are torch's"
        )
        return
    gate = load_config(config).export if config.is_file() else ExportConfig()
    if runtime is not None:
        gate = gate.model_copy(update={"runtime": runtime})
    if encoder is not None:
        from relsearch.exporters.bundle.untrained import export_untrained

        read = EncoderConfig(model=encoder, query_prefix=query_prefix, document_prefix=document_prefix)
        report = export_untrained(read, output, collection=source, config=gate, max_length=max_length)
    else:
        from relsearch.exporters.bundle.cross_encoder import export_foreign

        report = export_foreign(str(model), output, collection=source, config=gate, max_length=max_length or 512)
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
