"""The verbs of the index side: `ingest` documents, `fetch` candidates, `sample` documents, import `queries`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from relsearch.cli.app import FieldOption, ForceOption, JsonOption, SeedOption, parse_fields, verb
from relsearch.cli.connection import EngineOption, UrlOption
from relsearch.core.display.wording import counted
from relsearch.core.fields.template import DEFAULT_TEMPLATE, template_fields


@verb(
    "relsearch ingest my-collection --url http://127.0.0.1:9200 --index docs",
    connects=True,
    resumes=True,
)
def ingest(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The collection: a BEIR folder, demo, ir_datasets:ID.")
    ],
    url: UrlOption,
    index: Annotated[str, typer.Option(help="The index to fill.")],
    engine: EngineOption = None,
    language: Annotated[
        str, typer.Option(help="Language of the analyzer: english, french, …, or standard.")
    ] = "english",
    k1: Annotated[float, typer.Option(min=0, help="BM25's k1.")] = 0.9,
    b: Annotated[float, typer.Option(min=0, max=1, help="BM25's b.")] = 0.4,
    template: Annotated[str, typer.Option(help="The text of a document that is searched.")] = DEFAULT_TEMPLATE,
    replace: Annotated[bool, typer.Option("--replace", help="Start anew where the index exists.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print what creates the index, and do nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load a collection into a search engine.

    Reads the whole collection first, so that a broken one changes no index. The same command again goes on where it
    stopped. Waits while the server refuses documents (429). What is indexed is found by relsearch search, the gateway
    and [index] searchers alike.
    """
    from relsearch.core.settings.config import IndexConfig
    from relsearch.data.collection import check_template, load_collection
    from relsearch.index.engine.ingest import ingest as load
    from relsearch.index.engine.ingest import ingest_body
    from relsearch.index.registry import open_server

    config = IndexConfig(url=url, name=index, language=language, k1=k1, b=b)
    if show:
        typer.echo(json.dumps(ingest_body(config, template), indent=1))
        return
    collection = load_collection(source)
    server = open_server(engine, url)
    server.ask("GET", "/")  # before the documents are read
    check_template(collection, template, every=template != DEFAULT_TEMPLATE)
    documents = collection.documents(template_fields(template))
    loaded = load(documents, server, index=config, template=template, replace=replace)
    counts = {"index": index, "written": loaded.written, "present": loaded.present}
    brief = f"{index}: {counted(loaded.written, 'document')} written, {loaded.present:,} there already"
    typer.echo(json.dumps(counts) if as_json else brief)


@verb(
    "relsearch fetch my-collection --url http://127.0.0.1:9200 --index docs --field title --field text",
    "relsearch fetch my-collection --url http://127.0.0.1:9200 --index docs --body search.json",
    "relsearch fetch my-collection --url http://127.0.0.1:9200 --index docs --all",
    connects=True,
    resumes=True,
)
def fetch(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder with queries.jsonl and, if there are labels, qrels.tsv.")
    ],
    url: UrlOption,
    index: Annotated[str, typer.Option(help="The index, alias or pattern to search.")],
    every: Annotated[
        bool, typer.Option("--all", help="All documents of the index instead of candidates; needs no queries.")
    ] = False,
    depth: Annotated[int, typer.Option(min=1, max=10_000, help="Candidates of each query.")] = 100,
    field: FieldOption = None,
    body: Annotated[
        Path | None,
        typer.Option(help="Your own search: a JSON body with {{query}} in it; default: the fields, multi_match."),
    ] = None,
    engine: EngineOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a collection of a live index and your queries.

    Fetches each query's candidates, as your search ranks them, and the labelled documents. Writes corpus.jsonl and
    first_stage.trec beside the queries; then [pool] runs = ["my-collection/first_stage.trec"] and [collection] source =
    "my-collection" learn from your engine's own ranking. --field names a field that documents keep, and its path in the
    index; default: title and text. With --all, writes corpus.jsonl alone, with every document that has text; it is read
    in slices of one point in time.
    """
    from relsearch.index.registry import open_server
    from relsearch.pipeline.standalone.fetch import fetch_collection, fetch_index

    server = open_server(engine, url)
    if every:
        if body:
            raise typer.BadParameter("--body searches for candidates; leave it out, or --all")
        documents = fetch_index(server, index, folder, fields=parse_fields(field), force=force)
        written = {"output": str(folder), "documents": documents}
        typer.echo(json.dumps(written) if as_json else f"{folder}: {counted(documents, 'document')}")
        return
    found = fetch_collection(server, index, folder, depth=depth, fields=parse_fields(field), body=body, force=force)
    counts = {"documents": len(found.documents), "candidates": len(found.candidates), "absent": len(found.absent)}
    brief = f"{folder}: {counted(len(found.documents), 'document')}, {counted(len(found.candidates), 'candidate')}"
    if found.absent:
        brief += (
            f"; not there or without text: {counted(len(found.absent), 'labelled document')}, the first "
            f"{found.absent[0]!r}"
        )
    typer.echo(json.dumps({"output": str(folder), **counts}) if as_json else brief)


@verb(
    "relsearch sample --url http://127.0.0.1:9200 --index docs -n 1000 --field title --field text -o seeds",
    connects=True,
)
def sample(
    url: UrlOption,
    index: Annotated[str, typer.Option(help="The index, alias or pattern to draw from.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The collection folder to write corpus.jsonl in.")],
    size: Annotated[int, typer.Option("--size", "-n", min=1, help="How many documents.")] = 1000,
    seed: SeedOption = 13,
    field: FieldOption = None,
    engine: EngineOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw documents from a live index as a collection.

    A pipeline starts from such a folder once queries.jsonl stands in it, too: `relsearch queries` makes one of a log.
    """
    from relsearch.index.registry import open_server
    from relsearch.pipeline.standalone.fetch import sample_collection

    server = open_server(engine, url)
    documents = sample_collection(server, index, output, size=size, seed=seed, fields=parse_fields(field), force=force)
    counts = {"output": str(output / "corpus.jsonl"), "documents": documents}
    typer.echo(json.dumps(counts) if as_json else f"{counts['output']}: {counted(documents, 'document')}")


@verb(
    "relsearch queries searches.csv --min-count 3 --drop-personal -o queries.jsonl",
)
def queries(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="Search log: .jsonl, .csv or .tsv, .gz and .zst too.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The queries.jsonl to write.")],
    text_key: Annotated[str, typer.Option(help="The column of the query.")] = "query",
    count_key: Annotated[
        str | None, typer.Option(help="The column of its count; default: count, or each row once where there is none.")
    ] = None,
    min_count: Annotated[int, typer.Option(min=1, help="Leave out queries asked less often.")] = 1,
    drop_personal: Annotated[
        bool, typer.Option("--drop-personal", help="Leave out e-mail-like texts and those without a letter.")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn a search log into queries, most frequent first.

    Texts are normalised, and each is kept once.
    """
    from relsearch.core.errors import DataError
    from relsearch.core.files.outputs import check_output
    from relsearch.core.files.text_files import write_text
    from relsearch.data.query_log import is_query_log, read_query_log

    check_output(output, inputs=[log], ours=is_query_log, force=force)
    read = read_query_log(log, text_key=text_key, count_key=count_key, min_count=min_count, drop_personal=drop_personal)
    if not read.queries:
        raise DataError(f"{log}: no row of {read.rows} makes a query, so nothing was written; see --min-count")
    write_text(output, read.to_jsonl())
    counts = {"output": str(output), "rows": read.rows, "queries": len(read.queries), "dropped": dict(read.dropped)}
    brief = "".join(f", {count} {reason}" for reason, count in read.dropped.items())
    found = f"{counted(len(read.queries), 'query')} of {counted(read.rows, 'row')}{brief}"
    typer.echo(json.dumps(counts) if as_json else f"{output}: {found}")
