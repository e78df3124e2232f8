"""Run the gateway on a port until SIGTERM or SIGINT, then let the requests in flight finish."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from relsearch.core.errors import ConfigError, FieldsError, MissingExtraError, SearchEngineError
from relsearch.core.fields.field_names import field_fault
from relsearch.core.fields.template import template_fields
from relsearch.live.address import is_loopback
from relsearch.live.gateway.answer.ranking import Scorers
from relsearch.live.gateway.app import Gateway, runner
from relsearch.live.gateway.config import GatewayConfig, Rules
from relsearch.live.gateway.scoring.scoring import DaemonThreads, Scoring
from relsearch.rerank.reranker import Reranker

_SWITCH_S = 0.001
_CONNECT_S = 1.0
_ASKING_S = 5.0  # for the fields of all indices: an engine that hangs does not keep the gateway from starting
KEY_VARIABLE = "RELSEARCH_GATEWAY_KEY"


def gateway_key() -> str | None:
    """Return the gateway's own key from the environment, the only place it is read from."""
    return os.environ.get(KEY_VARIABLE) or None


def check_address(host: str, *, key: str | None, insecure: bool) -> None:
    """Raise ConfigError for an address that others reach, unless there is a key or it is meant."""
    if not (is_loopback(host) or key or insecure):
        raise ConfigError(f"--host {host}: others reach it; set {KEY_VARIABLE}, or pass --insecure if that is meant")


def open_scorers(
    config: GatewayConfig,
    bundle: Path,
    *,
    threads: int | None,
    queued: int,
    vectors: str | None = None,
    then: Path | None = None,
    then_window: int = 20,
) -> dict[Path | None, Scoring]:
    """Open each bundle once, `vectors` being those of `bundle`; `then` reranks the head of each.

    Raise ArtifactError if a bundle is not whole, ConfigError where `then` reads documents in another way.
    """
    from relsearch.index.engine.vector_index import open_vectors

    folders = {None: bundle} | {rules.bundle: rules.bundle for rules in config.index.values() if rules.bundle}
    second = Reranker(then) if then else None
    threaded: dict[Path, Scoring] = {}
    for folder in dict.fromkeys(folders.values()):
        reranker = Reranker(folder, vectors=open_vectors(vectors if folder == bundle else None, create=True))
        if second:
            reranker = reranker.with_cascade(second, then_window)
        threaded[folder] = Scoring(reranker, threads=threads, queued=queued)
    return {name: threaded[folder] for name, folder in folders.items()}


def check_answers(upstream: str) -> Iterator[str]:
    """Yield a line where none of the engine's hosts takes a connection: the gateway may be the first to start."""
    for host in upstream.split(","):
        address = urlsplit(host.strip())
        port = address.port or (443 if address.scheme == "https" else 80)
        with suppress(OSError), socket.create_connection((address.hostname or "", port), timeout=_CONNECT_S):
            return
    yield f"upstream {upstream}: does not answer yet; until it does, searches get 502"


def check_index_fields(config: GatewayConfig, scorers: Scorers, upstream: str) -> Iterator[str]:
    """Check the fields of each section against its template and its index; yield a line where that cannot be done.

    Raise ConfigError for a field that the template does not name, or a path that no document of the index has, with the
    nearest names.
    """
    templates = {
        name: template_fields(rules.template or scorers[rules.bundle].reranker.template)
        for name, rules in config.index.items()
    }
    for name, rules in config.index.items():
        if unknown := rules.fields.keys() - set(templates[name]):
            raise ConfigError(field_fault(f"[index.{name}] fields: the template has", unknown, templates[name]))
    asking, until = DaemonThreads(1), time.monotonic() + _ASKING_S
    for name, rules in config.index.items():
        asked = asking.submit(partial(_check_paths, upstream, name, rules, templates[name]))
        try:
            asked.result(timeout=max(until - time.monotonic(), 0))
        except TimeoutError:
            yield f"[index.{name}] its fields are not checked: no answer within {_ASKING_S:g} s"
        except FieldsError as exc:
            raise ConfigError(f'[index.{name}] {exc.reason}; name paths as in fields = {{ text = "body" }}') from exc
        except (SearchEngineError, MissingExtraError) as exc:
            yield f"[index.{name}] its fields are not checked: {exc}"


def _check_paths(upstream: str, index: str, rules: Rules, names: Sequence[str]) -> None:
    from relsearch.index.engine.field_check import check_fields, index_fields
    from relsearch.index.registry import open_server

    server = open_server(None, upstream)
    if not index_fields(server, index):
        raise SearchEngineError(f"no index is called {index!r} yet, or none has fields")
    check_fields(server, index, rules.fields.values() or names, every=bool(rules.fields))


def prospects(config: GatewayConfig, scorers: Scorers) -> list[str]:
    """Return which searches are reranked, and a line a bundle of how far, by what reading a document costs here."""
    of_scoring = {id(scoring): (name, scoring) for name, scoring in reversed(list(scorers.items()))}
    asked = 'those with "ext": {"relsearch": true}'
    which = f"those of {', '.join(config.index)}, and {asked}" if config.index else f"{asked}; --config names indices"
    return [f"searches that are reranked: {which}", *(_prospect(*each, config) for each in of_scoring.values())]


def _prospect(name: Path | None, scoring: Scoring, config: GatewayConfig) -> str:
    rules = next((each for each in config.index.values() if each.bundle == name), Rules())
    fitting = int(scoring.warm_up() * rules.budget_ms / 1000)
    fit = f"about {min(fitting, rules.window)} of {rules.window} new documents can be read within {rules.budget_ms} ms"
    stored = scoring.stored
    if stored is None and fitting < rules.window:
        return f"{fit}, the others after the answer. To read all ahead, run relsearch precompute and pass --vectors."
    return fit if stored is None else f"{fit}; {stored} are read already"


async def serve(gateway: Gateway, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until a signal to stop; `ready` is called with the address once it is bound."""
    # Threads that take answers apart hand the interpreter over to the event loop five times as soon as by default.
    sys.setswitchinterval(_SWITCH_S)
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
