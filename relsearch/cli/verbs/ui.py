"""The verb that opens the web app: `ui`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import FieldOption, parse_fields, verb
from relsearch.cli.connection import PANEL
from relsearch.live.ui import PORT

OptionalUrl = Annotated[
    str | None,
    typer.Option(help="An engine to search, http://127.0.0.1:9200; --index names its index.", rich_help_panel=PANEL),
]


@verb(
    "relsearch ui --demo",
    "relsearch ui --url http://127.0.0.1:9200 --index docs --field title --field text",
    connects=True,
)
def ui(
    demo: Annotated[bool, typer.Option("--demo", help="Open on the packaged collection.")] = False,
    collection: Annotated[
        str | None, typer.Option(help="The documents and queries to search and grade: a BEIR folder.")
    ] = None,
    url: OptionalUrl = None,
    index: Annotated[
        str | None,
        typer.Option(
            help="The engine's index; without an engine the folder that `relsearch index` made: runs/x/index/embedded."
        ),
    ] = None,
    field: FieldOption = None,
    run: Annotated[Path | None, typer.Option(help="A TREC run of the collection, instead of a search.")] = None,
    bundle: Annotated[list[str] | None, typer.Option(help="A bundle to compare; repeatable. Default: ready.")] = None,
    judge: Annotated[str, typer.Option(help="ready, or the folder of a judge.")] = "ready",
    judgments: Annotated[
        Path | None,
        typer.Option(
            help="The judge's grades to start from, a judgments.parquet; default: the judge grades while you do."
        ),
    ] = None,
    qrels: Annotated[Path, typer.Option(help="The TREC qrels file that your grades go into.")] = Path(
        "relsearch-ui/human.qrels"
    ),
    runs: Annotated[Path, typer.Option(help="The folder of run folders to show.")] = Path("runs"),
    scale: Annotated[str, typer.Option(help="0-3, 1-4, binary or lowest-highest:relevant.")] = "0-3",
    language: Annotated[str, typer.Option(help="Language of the documents, as [index] language.")] = "english",
    window: Annotated[int, typer.Option(min=1, max=1000, help="Hits to rerank.")] = 30,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on; 0 takes a free one.")] = PORT,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
) -> None:
    """Compare orders, grade pairs and look at runs in a browser.

    Compare shows the engine's order next to a reranked one, for any query. Grade asks for the grades that help most, by
    the keys 0 to 3, and writes each into --qrels at once. Runs shows the stages of run folders, and their reports.
    Any address but this machine's own needs a key: set RELSEARCH_UI_KEY.
    """
    from relsearch.core.errors import MissingExtraError

    try:
        from relsearch.live.ui.server import serve
        from relsearch.live.ui.workspace import Options
    except ModuleNotFoundError as exc:
        raise MissingExtraError("the web app", "serve") from exc
    if demo and (collection or url or run or index):
        raise typer.BadParameter("--demo opens the packaged collection alone; leave out what names another")

    def ready(address: str) -> None:
        typer.echo(f"relsearch ui: {address} (Ctrl-C ends it)", err=True)
        if open_browser:
            typer.launch(address)

    options = Options(
        collection="demo" if demo else collection,
        url=url,
        index=index,
        fields=parse_fields(field),
        run=run,
        bundles=tuple(bundle or ["ready"]),
        judge=judge,
        judgments=judgments,
        qrels=qrels,
        runs=runs,
        scale=scale,
        language=language,
        window=window,
    )
    serve(options, host=host, port=port, ready=ready)
