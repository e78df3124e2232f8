"""The verb that serves: `serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import PrfOption, VectorsOption, verb


@verb(
    "relsearch serve --bundle ready",
    'curl http://127.0.0.1:8000/rerank --json \'{"query": "tides", "texts": ["the moon", "a cat"]}\'',
    connects=True,
)
def serve(
    bundle: Annotated[
        Path,
        typer.Option(envvar="RELSEARCH_BUNDLE", help="A bundle that export wrote, or ready."),
    ],
    vectors: VectorsOption = None,
    prf: PrfOption = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="The port to listen on.", show_default="8000")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model's name in answers.", show_default="the folder's name")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.", show_default="1")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of each process.", show_default="cores / workers")
    ] = None,
    timeout_s: Annotated[
        float | None, typer.Option(help="Longest time for a request in seconds, waiting included.", show_default="8")
    ] = None,
    drain_s: Annotated[
        int | None,
        typer.Option(min=0, help="Longest time to finish requests after SIGTERM, in seconds.", show_default="30"),
    ] = None,
    max_documents: Annotated[
        int | None, typer.Option(min=1, help="Most documents in one request.", show_default="4096")
    ] = None,
    max_body_bytes: Annotated[
        int | None, typer.Option(min=1, help="Largest request, in bytes.", show_default="32 MiB")
    ] = None,
    max_waiting_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Most tokens in the queue; beyond it clients get 429.", show_default="400,000"),
    ] = None,
    max_waiting_requests: Annotated[
        int | None,
        typer.Option(min=1, help="Most requests in the queue; beyond it clients get 429.", show_default="256"),
    ] = None,
    max_batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens scored at once.", show_default="4096")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve beyond this machine without an API key.")] = False,
) -> None:
    """Serve a bundle over HTTP, as TEI, Jina and Cohere do.

    Needs no torch. POST /rerank with `texts` answers as text-embeddings-inference does, /rerank and /v1/rerank with
    `documents` as Jina and Cohere v1, /v2/rerank as Cohere v2. GET /info, /health, /metrics, /v1/models; the
    documentation is at /docs. Set RELSEARCH_API_KEY to ask clients for a key; any address but this machine's own needs
    one. Every option can be a variable instead: RELSEARCH_PORT=9000. SIGTERM ends the service after its last answer.
    """
    from relsearch.core.errors import MissingExtraError

    try:
        from relsearch.live.service.settings import read_settings
        from relsearch.live.service.worker import run
    except ModuleNotFoundError as exc:
        raise MissingExtraError("the service", "serve") from exc
    run(
        read_settings(
            bundle=bundle,
            vectors=vectors,
            prf=prf,
            host=host,
            port=port,
            model=model or os.environ.get("RELSEARCH_MODEL") or bundle.resolve().name,
            workers=workers,
            threads=threads,
            timeout_s=timeout_s,
            drain_s=drain_s,
            max_documents=max_documents,
            max_body_bytes=max_body_bytes,
            max_waiting_tokens=max_waiting_tokens,
            max_waiting_requests=max_waiting_requests,
            max_batch_tokens=max_batch_tokens,
            insecure=insecure or None,
        )
    )
