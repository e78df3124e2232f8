"""The verb that publishes: `push`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import JsonOption, verb


@verb(
    "relsearch push cross-encoder me/my-reranker --dry-run",
)
def push(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A bundle, a trained model or a judge.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository of the model hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private, where it is new.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a bundle, a trained model or a judge on the model hub.

    A folder without a README.md gets a model card: base, licence, data and figures. Log in by `hf auth login`, or set
    HF_TOKEN. Others then run `hf download OWNER/NAME` and give `--bundle OWNER/NAME` or `--judge OWNER/NAME`;
    relsearch.Reranker and relsearch.Judge download it themselves.
    """
    from relsearch.core.display.text_table import table
    from relsearch.exporters.push import push as upload

    files = upload(folder, repository, private=private, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"repository": repository, "sent": not dry_run, "files": [asdict(f) for f in files]}))
        return
    typer.echo(table(["file", "bytes"], [[each.name, str(each.size)] for each in files]))
    typer.echo(f"{'nothing sent, for' if dry_run else 'published as'} {repository}", err=True)
