"""Documents read on workers, and their vectors stored by the process that asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

import numpy as np
import polars as pl

from relsearch.cluster.same_model import check_same
from relsearch.core.files.key_index import KeyIndex, digest
from relsearch.core.protocols import Work, Workers
from relsearch.core.types import StrPath
from relsearch.rerank.bundle import LateManifest, open_bundle_of
from relsearch.rerank.families import make_late_scorer
from relsearch.rerank.vectors.interaction import DocumentVectors
from relsearch.rerank.vectors.store import BATCH, StoreFacts, VectorStore

_KEY_BYTES = 16


def add_on(workers: Workers, bundle: StrPath, store: VectorStore, texts: Iterable[str]) -> int:
    """Read the texts that are not stored on workers, and return how many there were; a batch is stored as it ends.

    Each worker opens the bundle once. Raise ConfigError where its vectors would be others than the store's.
    """
    added = 0
    for table in workers.map(partial(_opened, bundle, store.facts), _tables(_absent(store, texts))):
        found = {text: _vectors(store.facts, pooled, tokens) for text, pooled, tokens in table.iter_rows()}
        added += store.add(found, lambda batch, found=found: [found[text] for text in batch])  # type: ignore[misc]
    return added


def _absent(store: VectorStore, texts: Iterable[str]) -> Iterator[str]:
    """The texts that are not stored, each once."""
    asked = KeyIndex(_KEY_BYTES)
    rest = iter(texts)
    while batch := list(islice(rest, BATCH)):
        new = asked.add_all([digest(text) for text in batch])
        yield from store.absent([text for text, first in zip(batch, new, strict=True) if first])


def _tables(texts: Iterator[str]) -> Iterator[pl.DataFrame]:
    while batch := list(islice(texts, BATCH)):
        yield pl.DataFrame({"text": batch})


def _opened(bundle: StrPath, facts: StoreFacts) -> Work:
    """Open the bundle on a worker, and return what reads texts there."""
    scorer = make_late_scorer(open_bundle_of(bundle, LateManifest))
    check_same("bundle", scorer.facts, facts)

    def work(table: pl.DataFrame) -> pl.DataFrame:
        found = scorer.document_vectors(table["text"].to_list())
        return table.with_columns(
            pooled=pl.Series([each.pooled.tobytes() for each in found], dtype=pl.Binary),
            tokens=pl.Series([each.tokens.tobytes() for each in found], dtype=pl.Binary),
        )

    return work


def _vectors(facts: StoreFacts, pooled: bytes, tokens: bytes) -> DocumentVectors:
    rows = np.frombuffer(tokens, np.int8).reshape(-1, facts.tokens)
    return DocumentVectors(np.frombuffer(pooled, np.float16), rows)
