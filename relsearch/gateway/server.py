"""Run the gateway on a port until SIGTERM or SIGINT, then let the requests in flight finish."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from relsearch.errors import ConfigError
from relsearch.gateway.app import Gateway, runner
from relsearch.gateway.config import GatewayConfig
from relsearch.gateway.scoring import ScoringThreads

KEY_VARIABLE = "RELSEARCH_GATEWAY_KEY"


def gateway_key() -> str | None:
    """Return the gateway's own key from the environment, the only place it is read from."""
    return os.environ.get(KEY_VARIABLE) or None


def check_address(host: str, *, key: str | None, insecure: bool) -> None:
    """Raise ConfigError for an address that others reach, unless there is a key or it is meant."""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not (local or key or insecure):
        raise ConfigError(f"--host {host}: others reach it; set {KEY_VARIABLE}, or pass --insecure if that is meant")


def open_scorers(
    config: GatewayConfig, bundle: Path, *, threads: int, queued: int, vectors: str | None = None
) -> dict[Path | None, ScoringThreads]:
    """Open each bundle once, `vectors` being those of `bundle`; raise ArtifactError if one is not whole."""
    from relsearch.index.vectors import open_vectors
    from relsearch.rerank.families import open_scorer

    opened: dict[Path, ScoringThreads] = {}
    folders = {None: bundle} | {rules.bundle: rules.bundle for rules in config.index.values() if rules.bundle}
    for folder in folders.values():
        if folder not in opened:
            scorer = open_scorer(folder, vectors=open_vectors(vectors if folder == bundle else None))
            about = scorer.manifest
            opened[folder] = ScoringThreads(scorer, about.template, mix=about.beside, threads=threads, queued=queued)
    return {name: opened[folder] for name, folder in folders.items()}


async def serve(gateway: Gateway, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until a signal to stop; `ready` is called with the address once it is bound."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = runner(gateway)
    await server.setup()
    try:
        await web.TCPSite(server, host, port).start()
        bound = server.addresses[0]
        ready(f"http://{bound[0]}:{bound[1]}")
        await stop.wait()
    finally:
        await server.cleanup()
