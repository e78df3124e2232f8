"""Running the service: the application of one process, and the server around it."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack

import uvicorn
from fastapi import FastAPI

from relsearch.core.errors import ConfigError
from relsearch.index.engine.vector_index import open_vectors
from relsearch.live.address import check_free
from relsearch.live.service.access_log import log_config
from relsearch.live.service.app import create_app
from relsearch.live.service.metrics import SHARED_FOLDER
from relsearch.live.service.settings import Settings, read_settings
from relsearch.live.service.tokens import bundle_tokens
from relsearch.rerank.bundle import open_bundle
from relsearch.rerank.opening import is_plugin
from relsearch.rerank.reranker import Reranker

# Longer than clients keep an idle connection (Elasticsearch's inference client a minute): whoever closes first must be
# the client, or a request meets a connection that was closed while it was on its way.
KEEP_IDLE_S = 75


def app_of_environment() -> FastAPI:
    """Return the application of the bundle that the environment names; each worker process calls this."""
    settings = read_settings()
    if settings.bundle is None:
        raise ConfigError("serve: no bundle; set RELSEARCH_BUNDLE, or pass --bundle")
    threads = settings.threads or max(1, _cores() // settings.workers)
    vectors = open_vectors(settings.vectors)
    if is_plugin(settings.bundle):
        reranker, tokens = Reranker(settings.bundle, vectors=vectors), None
    else:
        bundle = open_bundle(settings.bundle)
        reranker = Reranker.from_bundle(bundle, workers=threads, vectors=vectors)
        tokens = bundle_tokens(bundle)
    return create_app(reranker.with_weights(prf=settings.prf), settings, tokens=tokens)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was accepted.

    Raise if the bundle is not whole, ConfigError where the address is taken.
    """
    if settings.bundle is not None and not is_plugin(settings.bundle):
        open_bundle(settings.bundle)  # a wrong folder is one line here, and a traceback in each worker
    check_free(settings.host, settings.port)
    os.environ.update(settings.environment())
    with ExitStack() as stack:
        if settings.workers > 1:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="relsearch-metrics-"))
            os.environ[SHARED_FOLDER] = folder
        uvicorn.run(
            "relsearch.live.service.worker:app_of_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            log_config=log_config(),
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.drain_s,
            timeout_keep_alive=KEEP_IDLE_S,
        )


def _cores() -> int:
    # Only Linux says which cores this process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
