"""Reading a collection's documents at indexing time, so that a late-interaction reranker need not at search time."""

from __future__ import annotations

from collections.abc import Iterator

from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import template_fields
from relsearch.core.types import StrPath
from relsearch.data.collection import Collection, check_template, load_collection
from relsearch.index.engine.vector_index import open_vectors
from relsearch.rerank.bundle import Bundle, LateManifest, open_bundle
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer


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
    check_template(source, opened.manifest.template, every=False)
    scorer = LateOnnxScorer(Bundle(opened.folder, opened.manifest), vectors=open_vectors(vectors, create=True))
    store = scorer.open_store()
    added = store.add(_texts(source, scorer), scorer.document_vectors)
    count = len(store)
    return {"added": added, "documents": count, "bytes_a_document": round(store.nbytes / count) if count else 0}


def _texts(source: Collection, scorer: LateOnnxScorer) -> Iterator[str]:
    for document in progress(source.documents(template_fields(scorer.template)), desc="read documents", unit="doc"):
        yield from scorer.readable([scorer.render(document.fields)])
