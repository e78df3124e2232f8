"""The verb that shows the whole chain on the packaged collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import JsonOption, verb


@verb("relsearch demo", resumes=True)
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where artefacts go.")] = Path("runs/demo"),
    as_json: JsonOption = False,
) -> None:
    """Run the whole chain on the packaged demo, in some ten minutes.

    It learns from ten labelled queries, from these and judged pools, and from all labels, and measures each on queries
    that nothing learnt from, and compares them with BM25, the untrained cosine and the ready reranker. An interrupted
    demo goes on where it stopped. Needs pip install 'relsearch[demo]'.
    """
    from relsearch.pipeline.demo.show import to_json, to_text
    from relsearch.pipeline.demo.study import demo_config, run_demo

    config = demo_config().model_copy(update={"output": output})
    found = run_demo(config, say=lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(to_json(found), indent=1) if as_json else to_text(found))
