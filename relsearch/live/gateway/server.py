"""Run the gateway on a port until SIGTERM or SIGINT, then let the requests in flight finish."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from relsearch.core.errors import ConfigError
from relsearch.live.gateway.app import Gateway, runner
from relsearch.live.gateway.config import GatewayConfig
from relsearch.live.gateway.scoring import ScoringThreads
from relsearch.rerank.reranker import Reranker

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
    config: GatewayConfig,
    bundle: Path,
    *,
    threads: int,
    queued: int,
    vectors: str | None = None,
    then: Path | None = None,
    then_window: int = 20,
) -> dict[Path | None, ScoringThreads]:
    """Open each bundle once, `vectors` being those of `bundle`; `then` reranks the head of each.

    Raise ArtifactError if a bundle is not whole, ConfigError where `then` reads documents in another way.
    """
    from relsearch.index.engine.vector_index import open_vectors

    folders = {None: bundle} | {rules.bundle: rules.bundle for rules in config.index.values() if rules.bundle}
    second = Reranker.open(then) if then else None
    threaded: dict[Path, ScoringThreads] = {}
    for folder in dict.fromkeys(folders.values()):
        reranker = Reranker.open(folder, vectors=open_vectors(vectors if folder == bundle else None))
        if second:
            reranker = reranker.with_second(second, then_window)
        threaded[folder] = ScoringThreads(reranker, threads=threads, queued=queued)
    return {name: threaded[folder] for name, folder in folders.items()}


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
