"""The verb that stands before a search engine: `gateway`."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import CascadeOption, CascadeWindowOption, VectorsOption, verb
from relsearch.cli.connection import PANEL


@verb(
    "relsearch gateway --upstream http://127.0.0.1:9200 --bundle ready",
    "relsearch gateway --upstream http://127.0.0.1:9200 --bundle ready -c gateway.toml",
    connects=True,
)
def gateway(
    upstream: Annotated[
        str, typer.Option(help="Its address, http(s)://HOST:PORT; several with commas between.", rich_help_panel=PANEL)
    ],
    bundle: Annotated[Path, typer.Option(help="A bundle that export wrote, or ready, which ships with relsearch.")],
    vectors: VectorsOption = None,
    cascade: CascadeOption = None,
    cascade_window: CascadeWindowOption = 20,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="gateway.toml; relsearch config --gateway prints one."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to bind; 0 takes a free one.")] = 9280,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Bind an address that others reach, without a key.")
    ] = False,
    upstream_timeout: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds the engine may be silent; default: as long as the client waits."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that read documents for a bundle; default: one a core.")
    ] = None,
    queued: Annotated[
        int, typer.Option(min=1, help="Searches that share the threads at once; more are not reranked.")
    ] = 64,
) -> None:
    """Rerank the searches of Elasticsearch or OpenSearch, as a proxy.

    A search is reranked if its index has a section in --config or its body holds "ext": {"relsearch": {}}; all other
    requests pass byte for byte. In ext.relsearch a search may set query, window, budget_ms, mix, feedback,
    fields, template, original and strict; false turns reranking off. As many documents are read as fit into budget_ms,
    the most promising first (X-Relsearch: reranked; read=24/100); unread ones keep the engine's places, and are read
    afterwards, into memory and into --vectors. If a search cannot be reranked, or the reranker
    fails, the engine's own answer comes back, marked X-Relsearch: bypassed; with strict the former is an error.

    With --cascade, a second bundle reranks the head of the first one's order, within the same budget.

    Prometheus reads how searches ended at /_relsearch/metrics.

    The client's credentials pass on to the engine, which alone judges them, and the gateway speaks plain HTTP: so it
    binds 127.0.0.1. Another address needs RELSEARCH_GATEWAY_KEY in the environment, which every request must then
    carry in the header X-Relsearch-Key (the engine never sees it), or --insecure. The gateway's own credentials, from
    the environment, serve --vectors alone.
    """
    from relsearch.core.errors import MissingExtraError

    try:
        from relsearch.live.gateway.app import Gateway
    except ImportError as exc:
        raise MissingExtraError("the gateway", "gateway") from exc
    import asyncio

    from relsearch.live.address import check_free
    from relsearch.live.gateway.answer.ranking import Ranking
    from relsearch.live.gateway.config import GatewayConfig, load_gateway_config
    from relsearch.live.gateway.metrics import Metrics
    from relsearch.live.gateway.proxy import Upstream
    from relsearch.live.gateway.server import (
        check_address,
        check_answers,
        check_index_fields,
        gateway_key,
        open_scorers,
        prospects,
        serve,
    )

    key = gateway_key()
    check_address(host, key=key, insecure=insecure)
    check_free(host, port)
    engine = Upstream(upstream, timeout_s=upstream_timeout)
    rules = load_gateway_config(config) if config else GatewayConfig()
    scorers = open_scorers(
        rules, bundle, vectors=vectors, threads=threads, queued=queued, then=cascade, then_window=cascade_window
    )
    checks = check_index_fields(rules, scorers, upstream) if rules.index else check_answers(upstream)
    for line in chain(checks, prospects(rules, scorers)):
        typer.echo(line, err=True)
    answering = Gateway(engine, Ranking(rules, scorers), key, Metrics(scorers))
    asyncio.run(serve(answering, host=host, port=port, ready=lambda url: typer.echo(f"ready {url}")))
