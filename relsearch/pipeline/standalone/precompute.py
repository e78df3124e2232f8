"""Reading a collection's documents at indexing time, so that a late-interaction reranker need not at search time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import template_fields
from relsearch.core.files.journal import unfinished
from relsearch.core.protocols import Workers
from relsearch.core.types import Document, StrPath
from relsearch.data.collection import check_template, load_collection
from relsearch.index.engine.field_check import check_fields
from relsearch.index.engine.hits import template_paths
from relsearch.index.engine.http import Json, Server
from relsearch.index.engine.scanning import scan
from relsearch.index.engine.vector_index import index_address, open_vectors
from relsearch.index.registry import open_server
from relsearch.rerank.bundle import Bundle, LateManifest, open_bundle
from relsearch.rerank.document_workers import add_on
from relsearch.rerank.families import make_late_scorer


def precompute(
    collection: StrPath,
    bundle: StrPath,
    vectors: StrPath,
    *,
    fields: Mapping[str, str] | None = None,
    changed_since: str | None = None,
    workers: Workers | None = None,
) -> dict[str, int | float]:
    """Read every document that `vectors` lacks, and return counts and sizes; an interrupted run goes on.

    `collection` and `vectors` are a folder each, or the URL of an index in a search engine. Of such a collection
    `fields` gives the paths of the fields, and `changed_since`, FIELD=VALUE, leaves out documents whose field is lower.
    How far it was read stands meanwhile in `NAME.unfinished`, beside the folder of vectors, or for an index of vectors
    in the working folder. With `workers`, each of which holds the bundle, a collection's index is always read from its
    beginning.

    Raise ConfigError where the bundle is a cross-encoder, which reads query and document together, or no document has
    a field that the bundle reads.
    """
    opened = open_bundle(bundle)
    if not isinstance(opened.manifest, LateManifest):
        raise ConfigError(f'{bundle}: a cross-encoder has nothing to precompute; train with [train] family = "late"')
    template = opened.manifest.template
    if place := index_address("collection", collection):
        server, names = open_server(None, place.url), template_paths(template, fields or {})
        check_fields(server, place.name, (fields or names).values(), every=fields is not None)
        query = None if changed_since is None else _changed_since(server, place.name, changed_since)
    else:
        if fields or changed_since:
            raise ConfigError("--field and --changed-since are of an index; name it as http://HOST:PORT/INDEX")
        source = load_collection(collection)
        total = check_template(source, template, every=False)
    scorer = make_late_scorer(Bundle(opened.folder, opened.manifest), vectors=open_vectors(vectors, create=True))
    store = scorer.open_store()

    def add(documents: Iterable[Document]) -> int:
        texts = (text for document in documents for text in scorer.readable([scorer.render(document.fields)]))
        if workers:
            return add_on(workers, bundle, store, texts)
        return store.add(texts, scorer.document_vectors)

    if place:
        to = index_address("--vectors", vectors)
        scanned = partial(scan, server, place.name, names=names, query=query, into=store.facts.encoder)
        with (
            TemporaryDirectory() as scratch,
            # Workers store pages in another order than they are read in, so that how far it was read tells nothing.
            unfinished(Path(scratch, "scan") if workers else Path(to.name if to else vectors)) as journal,
            closing(scanned(journal, resumable=len(store) > 0)) as pages,  # an empty store was deleted since
        ):
            added = add(chain.from_iterable(pages)) if workers else sum(map(add, pages))
    else:
        documents = source.documents(template_fields(template))
        added = add(progress(documents, desc="read documents", unit="doc", total=total))
    count = len(store)
    return {"added": added, "documents": count, "bytes_a_document": round(store.nbytes / count) if count else 0}


def _changed_since(server: Server, index: str, text: str) -> Json:
    """The query of documents whose field is a value or later: FIELD=VALUE, dates as the engine takes them."""
    field, _, value = text.partition("=")
    if not (field and value):
        raise ConfigError(f"--changed-since {text}: write FIELD=VALUE, e.g. updated=now-1d")
    check_fields(server, index, [field])
    return {"range": {field: {"gte": value}}}
