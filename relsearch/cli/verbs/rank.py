"""The verbs that rank: `precompute` at indexing time, `rerank` at search time."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relsearch.cli.app import (
    CascadeOption,
    CascadeWindowOption,
    FieldOption,
    ForceOption,
    JsonOption,
    MinScoreOption,
    MixOption,
    OnOption,
    PrfOption,
    VectorsOption,
    WorkerCpusOption,
    WorkerGpusOption,
    parse_fields,
    verb,
)

if TYPE_CHECKING:
    from relsearch.rerank.reranker import Reranker


@verb(
    "relsearch rerank bm25.trec --bundle ready --collection my-collection -o reranked.trec",
    "relsearch rerank bm25.trec --bundle ready --collection my-collection --read 30 -o reranked.trec",
    "relsearch rerank bm25.trec --bundle ready --collection my-collection --cascade cross-encoder -o reranked.trec",
    connects=True,
    resumes=True,
)
def rerank(
    run_file: Annotated[Path, typer.Argument(metavar="RUN", help="The TREC run to rerank.")],
    bundle: Annotated[Path, typer.Option(help="A bundle that export wrote, or ready, which ships with relsearch.")],
    collection: Annotated[str, typer.Option(help="Where texts come from: a BEIR folder, demo, ir_datasets:ID.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The run to write; default: stdout.")] = None,
    depth: Annotated[int, typer.Option(min=1, help="How many candidates a query are reranked.")] = 100,
    read: Annotated[
        int | None,
        typer.Option(min=1, help="How many of them the bundle reads, the most promising ones; default: all."),
    ] = None,
    vectors: VectorsOption = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            min=0, help="Milliseconds a query; what is not reached keeps its place in cosine's or the run's order."
        ),
    ] = None,
    min_score: MinScoreOption = None,
    mix: MixOption = None,
    prf: PrfOption = None,
    cascade: CascadeOption = None,
    cascade_window: CascadeWindowOption = 20,
    tag: Annotated[str, typer.Option(help="The name of the new run.")] = "relsearch",
    on: OnOption = None,
    worker_cpus: WorkerCpusOption = 1.0,
    worker_gpus: WorkerGpusOption = 0.0,
    force: ForceOption = False,
) -> None:
    """Rerank a TREC run with a bundle; needs no torch. With -o an interrupted run goes on where it stopped.

    A score is P(relevant): of the candidates that score 0.7, about 70 % are relevant on collections like those that the
    bundle was calibrated on; it depends on the query's other candidates (docs/rerankers.md).

    With --cascade, a second bundle reranks the head of the first one's order; its mix weighs the first one's scores.
    """
    import polars as pl

    from relsearch.cluster.ray_workers import workers_of
    from relsearch.core.display.wording import counted
    from relsearch.core.errors import DataError
    from relsearch.core.files.journal import unfinished
    from relsearch.core.files.outputs import check_ending, check_output
    from relsearch.core.settings.config import RunConfig
    from relsearch.data.collection import load_collection, texts_of
    from relsearch.data.trec import read_run
    from relsearch.exporters.trec import check_tag, is_run_of, run_text, write_run
    from relsearch.rerank.reorder import rerank_on, rerank_run, rerank_run_within

    check_tag(tag)
    workers = workers_of(RunConfig(on=on or "here", worker_cpus=worker_cpus, worker_gpus=worker_gpus))
    if workers and (output is None or budget_ms is not None):
        raise typer.BadParameter("--on ray needs --output, and takes no --budget-ms")
    if read and budget_ms is not None:
        raise typer.BadParameter("--read and --budget-ms both bound the reading; give one")
    if min_score is not None and (read or budget_ms is not None):
        raise typer.BadParameter("--min-score needs all candidates read; leave out --read and --budget-ms")
    if output:
        check_output(output, inputs=[run_file], ours=partial(is_run_of, tag=tag), force=force)
        check_ending(output, "a TREC run (.trec)")
    source = load_collection(collection)
    first = read_run(run_file)
    kept = min(max(20_000, first["doc_id"].n_unique()), 50_000)  # at 12,800 bytes a document, 640 MB
    opening = partial(
        _opened,
        bundle,
        vectors,
        kept=kept,
        mix=mix,
        prf=prf,
        cascade=cascade,
        cascade_window=cascade_window,
        reads=read,
    )
    reranker, about = opening()
    queries, texts = texts_of(first, source, reranker.template)
    with unfinished(output) if output and budget_ms is None else nullcontext() as journal:
        if workers and journal:
            rerank_on(workers, opening, first, queries, texts, depth=depth, journal=journal, about=about)
        if budget_ms is None:
            run = rerank_run(first, queries, texts, reranker, depth=depth, journal=journal, about=about)
        else:
            reranker.prepare(list(texts.values()))  # as an index would hold them
            fixed = mix is not None
            run, reached = rerank_run_within(
                first, queries, texts, reranker, depth=depth, budget_ms=budget_ms, weights_fixed=fixed
            )
            typer.echo(f"reached within {budget_ms:g} ms: {reached:.1f} candidates a query", err=True)
        if min_score is not None:
            run = run.filter(pl.col("score") >= min_score, pl.col("rank") <= depth)
            if run.is_empty():
                raise DataError(f"no candidate of any query has P(relevant) {min_score:g} or more; nothing was written")
        if output:
            write_run(run, output, tag=tag)
            found = f"{counted(run['query_id'].n_unique(), 'query')}, {counted(run.height, 'candidate')}"
            typer.echo(f"{output}: {found}")
        else:
            typer.echo(run_text(run, tag=tag), nl=False)


def _opened(
    bundle: Path,
    vectors: str | None,
    *,
    kept: int,
    mix: float | None,
    prf: float | None,
    cascade: Path | None,
    cascade_window: int,
    reads: int | None,
) -> tuple[Reranker, str]:
    """The reranker of these options, and what its scores are of; here or on a worker."""
    from relsearch.index.engine.vector_index import open_vectors
    from relsearch.rerank.reranker import Reranker

    opened = Reranker(bundle, reads=reads, vectors=open_vectors(vectors), cached_documents=kept)
    reranker = opened.with_weights(mix=mix, prf=prf)
    if cascade:
        reranker = reranker.with_cascade(Reranker(cascade), cascade_window)
    about = f"{_about(bundle)} {_about(cascade) if cascade else None} {cascade_window} {reranker.interpolation} {reads}"
    return reranker, about


def _about(bundle: Path) -> str:
    """What a reranker's scores are of: the bundle's manifest, which holds its files' checksums; a plug-in's name."""
    from relsearch.rerank.bundle import open_bundle
    from relsearch.rerank.opening import is_plugin

    return str(bundle) if is_plugin(bundle) else open_bundle(bundle).manifest.model_dump_json()


@verb(
    "relsearch precompute my-collection --bundle ready --vectors vectors",
    "relsearch precompute my-collection --bundle ready --vectors http://127.0.0.1:9200/relsearch-vectors",
    connects=True,
    resumes=True,
)
def precompute(
    collection: Annotated[
        str,
        typer.Argument(
            metavar="COLLECTION",
            help="The documents to read: a BEIR folder, demo, ir_datasets:ID or http://HOST:PORT/INDEX.",
        ),
    ],
    bundle: Annotated[Path, typer.Option(help="A late-interaction bundle, or ready.")],
    vectors: Annotated[
        str, typer.Option(help="Where to write them, or to go on: a folder, or http://HOST:PORT/INDEX.")
    ],
    field: FieldOption = None,
    changed_since: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD=VALUE", help="Of an index: only documents whose field is that or later, e.g. updated=now-1d."
        ),
    ] = None,
    on: OnOption = None,
    worker_cpus: WorkerCpusOption = 1.0,
    worker_gpus: WorkerGpusOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Encode documents ahead, so that a search reads only the query.

    Then rerank with --vectors. Documents whose text changed are read again; an interrupted run goes on. An index is
    read in slices of one point in time, by the fields that the bundle reads, or that --field names.
    """
    from relsearch.cluster.ray_workers import workers_of
    from relsearch.core.display.wording import counted
    from relsearch.core.settings.config import RunConfig
    from relsearch.pipeline.standalone.precompute import precompute as run

    workers = workers_of(RunConfig(on=on or "here", worker_cpus=worker_cpus, worker_gpus=worker_gpus))
    figures = run(collection, bundle, vectors, fields=parse_fields(field), changed_since=changed_since, workers=workers)
    brief = (
        f"{vectors}: {counted(int(figures['documents']), 'document')}, {figures['added']} new, "
        f"{figures['bytes_a_document']} bytes each"
    )
    typer.echo(json.dumps(figures, indent=1) if as_json else brief)
