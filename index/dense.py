"""Exact search by the cosine of the untrained encoder: every document's vector, one matrix product a query batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ArtifactError, DataError
from relsearch.core.fields.template import render
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import Candidate, Document, Query, StrPath
from relsearch.encoders.encoder import Encoder, load_encoder

NAME = "dense"
_IDS = "doc_ids.json"
_VECTORS = "vectors.npy"
_QUERIES_AT_ONCE = 64


def build(documents: Iterable[Document], directory: StrPath, *, encoder: EncoderConfig, template: str) -> DenseSearcher:
    """Encode the documents' rendered text into the directory (float16) and return its searcher."""
    rows = sorted((document.doc_id, render(document.fields, template)) for document in documents)
    if not rows:
        raise DataError("dense: no document to encode; check [collection] source")
    vectors = load_encoder(encoder).encode_documents([text for _, text in rows])
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    np.save(directory / _VECTORS, vectors.astype(np.float16), allow_pickle=False)
    (directory / _IDS).write_text(json.dumps([doc_id for doc_id, _ in rows]), encoding="utf-8")
    return open_index(directory, encoder=encoder)


def open_index(directory: StrPath, *, encoder: EncoderConfig) -> DenseSearcher:
    """Open a directory that build wrote; raise ArtifactError if it is not one."""
    directory = Path(directory)
    try:
        doc_ids = json.loads((directory / _IDS).read_text(encoding="utf-8"))
        vectors = np.load(directory / _VECTORS, allow_pickle=False)
    except (OSError, ValueError) as exc:
        raise ArtifactError(f"{directory}: not a dense index ({exc}); run: relsearch index") from exc
    return DenseSearcher(load_encoder(encoder), doc_ids, vectors)


class DenseSearcher:
    """Document vectors in the order of their ids, so equal cosines rank by id."""

    name = NAME

    def __init__(self, encoder: Encoder, doc_ids: Sequence[str], vectors: NDArray[np.float16]) -> None:
        self._encoder = encoder
        self._ids = doc_ids
        self._vectors = vectors.astype(np.float32)

    def search(self, queries: Sequence[Query], k: int) -> Iterator[Candidate]:
        """Yield the k nearest documents of each query that has any text."""
        asked = [query for query in queries if query.text.strip()]
        for start in range(0, len(asked), _QUERIES_AT_ONCE):
            batch = asked[start : start + _QUERIES_AT_ONCE]
            cosines = self._encoder.encode_queries([query.text for query in batch]) @ self._vectors.T
            for query, row in zip(batch, cosines, strict=True):
                best = np.argsort(-row, kind="stable")[:k]
                for rank, column in enumerate(best, 1):
                    yield Candidate(query.query_id, self._ids[column], float(row[column]), rank, NAME)
