"""The verb that looks at the machine: `doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from relsearch.cli.app import JsonOption, verb
from relsearch.cli.connection import PANEL


@verb(
    "relsearch doctor",
    "relsearch doctor --url http://127.0.0.1:9200 --json",
    connects=True,
)
def doctor(
    url: Annotated[
        str | None,
        typer.Option(
            envvar="RELSEARCH_URL", help="A search engine to look for: http(s)://HOST:PORT.", rich_help_panel=PANEL
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what this machine can do, and what it lacks for which verb.

    Looks at cores, instruction sets, memory, extras, models and Java, asks the engine for its version, and measures
    for some seconds how long the ready bundle takes for 100 documents. Exits with 0 whatever is absent.
    """
    from relsearch.pipeline.standalone.doctor import examine

    found = examine(url)
    typer.echo(json.dumps(found.to_json(), indent=1) if as_json else found.to_text())
