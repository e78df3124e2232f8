"""BM25 of given pairs, whatever a search would return: the same scores as the embedded searcher's, 0 included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import DataError
from relsearch.core.fields.template import DEFAULT_TEMPLATE, render
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document, Query
from relsearch.index.embedded import analyser


def pair_scores(
    queries: Sequence[Query],
    documents: Iterable[Document],
    pairs: Sequence[tuple[str, str]],
    *,
    index: IndexConfig | None = None,
    template: str = DEFAULT_TEMPLATE,
) -> NDArray[np.float64]:
    """Return the BM25 score of each (query id, document id), statistics taken over all of the documents.

    Raise DataError for an id that no query or document has.
    """
    import bm25s

    settings = index or IndexConfig()
    analyse = analyser(settings.language)
    tokens = {document.doc_id: analyse(render(document.fields, template)) for document in documents}
    retriever = bm25s.BM25(k1=settings.k1, b=settings.b, method="lucene")
    retriever.index(list(tokens.values()), show_progress=False)
    texts = {query.query_id: query.text for query in queries}
    row_of = {doc_id: row for row, doc_id in enumerate(tokens)}
    scores = np.zeros(len(pairs))
    for query_id, places in _by_query(pairs, texts, row_of).items():
        known = [word for word in analyse(texts[query_id]) if word in retriever.vocab_dict]
        if known:
            scores[places] = retriever.get_scores(known)[[row_of[pairs[place][1]] for place in places]]
    return scores


def _by_query(pairs: Sequence[tuple[str, str]], texts: dict[str, str], row_of: dict[str, int]) -> dict[str, list[int]]:
    """The places of each query's pairs."""
    places: dict[str, list[int]] = {}
    for place, (query_id, doc_id) in enumerate(pairs):
        if query_id not in texts or doc_id not in row_of:
            what = f"query {query_id!r}" if query_id not in texts else f"document {doc_id!r}"
            raise DataError(f"pair {place}: {what} is not in the collection; give the collection of the labels")
        places.setdefault(query_id, []).append(place)
    return places
