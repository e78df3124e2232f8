"""Run the web app on a port until SIGTERM or SIGINT."""

from __future__ import annotations

from collections.abc import Callable

import uvicorn

from relsearch.live.address import bound
from relsearch.live.ui.app import create_app
from relsearch.live.ui.guard import ui_key
from relsearch.live.ui.workspace import Options, Workspace


def serve(options: Options, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until a signal; `ready` is called with the address once browsers may connect.

    Raise ConfigError for an address that others reach without a key, or that is taken.
    """
    key = ui_key(host)
    with bound(host, port) as listening:
        listening.listen()
        workspace = Workspace(options)
        try:
            config = uvicorn.Config(
                create_app(workspace, key=key), log_level="warning", access_log=False, server_header=False
            )
            name, number = listening.getsockname()[:2]
            ready(f"http://{f'[{name}]' if ':' in name else name}:{number}")
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            workspace.close()
