"""Run the web app on a port until SIGTERM or SIGINT."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from relsearch.core.errors import ConfigError, reason
from relsearch.live.ui.app import create_app
from relsearch.live.ui.guard import ui_key
from relsearch.live.ui.workspace import Options, Workspace


def serve(options: Options, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until a signal; `ready` is called with the address once browsers may connect.

    Raise ConfigError for an address that others reach without a key, or that is taken.
    """
    key = ui_key(host)
    with _listening(host, port) as listening:
        workspace = Workspace(options)
        try:
            config = uvicorn.Config(
                create_app(workspace, key=key), log_level="warning", access_log=False, server_header=False
            )
            bound = listening.getsockname()
            ready(f"http://{f'[{bound[0]}]' if ':' in bound[0] else bound[0]}:{bound[1]}")
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            workspace.close()


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as exc:
        raise ConfigError(f"cannot listen at {host}:{port} ({reason(exc)}); pass another --port or --host") from exc
