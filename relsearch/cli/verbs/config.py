"""The verb that shows and checks configurations: `config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import verb


@verb(
    "relsearch config > relsearch.toml",
    "relsearch config --check relsearch.toml",
    "relsearch config --gateway > gateway.toml",
    "relsearch config --check gateway.toml",
)
def config(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Check a relsearch.toml or gateway.toml.")
    ] = None,
    gateway: Annotated[bool, typer.Option("--gateway", help="Print or check a gateway.toml.")] = False,
) -> None:
    """Print a configuration with every key explained, or check one.

    The printed file is valid and holds the defaults: delete any key that you do not change. --check says the first
    fault of a file in one line, and exits with 1. Fields of a gateway.toml are checked when the gateway starts.
    """
    from relsearch.core.settings.config import Config
    from relsearch.core.settings.load import load_config
    from relsearch.core.settings.reference import commented_toml
    from relsearch.live.gateway.config import GatewayConfig, is_gateway_config, load_gateway_config

    if check is None:
        typer.echo(commented_toml(GatewayConfig if gateway else Config), nl=False)
        return
    if gateway or is_gateway_config(check):
        load_gateway_config(check)
    else:
        load_config(check)
    typer.echo(f"{check}: valid")
