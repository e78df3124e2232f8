"""The verb that ranks: `rerank`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import app


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
    from relsearch.corpus import load_collection, texts_of
    from relsearch.exporters.trec import run_text, write_run
    from relsearch.rerank.onnx_scorer import OnnxScorer
    from relsearch.rerank.rank import rerank_run
    from relsearch.trec import read_run

    source = load_collection(collection)
    first = read_run(run_file)
    scorer = OnnxScorer.open(bundle)
    queries, texts = texts_of(first, source, scorer.render)
    run = rerank_run(first, queries, texts, scorer, depth=depth)
    if output:
        write_run(run, output, tag=tag)
    else:
        typer.echo(run_text(run, tag=tag), nl=False)
