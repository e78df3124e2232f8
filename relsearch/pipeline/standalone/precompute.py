"""Reading a collection's documents at indexing time, so that a late-interaction reranker need not at search time."""

from __future__ import annotations

from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import template_fields
from relsearch.core.types import StrPath
from relsearch.data.collection import check_template, load_collection
from relsearch.index.engine.vector_index import open_vectors
from relsearch.rerank.bundle import Bundle, LateManifest, open_bundle
from relsearch.rerank.families import make_late_scorer


def precompute(collection: StrPath, bundle: StrPath, vectors: StrPath) -> dict[str, int | float]:
    """Read every document that `vectors` lacks, and return counts and sizes; an interrupted run goes on.

    `vectors` is a folder, or the URL of an index in a search engine.

    Raise ConfigError where the bundle is a cross-encoder, which reads query and document together, or no document has
    a field that the bundle reads.
    """
    opened = open_bundle(bundle)
    if not isinstance(opened.manifest, LateManifest):
        raise ConfigError(f'{bundle}: a cross-encoder has nothing to precompute; train with [train] family = "late"')
    source = load_collection(collection)
    total = check_template(source, opened.manifest.template, every=False)
    scorer = make_late_scorer(Bundle(opened.folder, opened.manifest), vectors=open_vectors(vectors, create=True))
    store = scorer.open_store()
    read = source.documents(template_fields(scorer.template))
    documents = progress(read, desc="read documents", unit="doc", total=total)
    texts = (text for document in documents for text in scorer.readable([scorer.render(document.fields)]))
    added = store.add(texts, scorer.document_vectors)
    count = len(store)
    return {"added": added, "documents": count, "bytes_a_document": round(store.nbytes / count) if count else 0}
