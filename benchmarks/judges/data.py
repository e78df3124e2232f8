"""The human-graded pairs for tuning and measuring judges, and the encoders whose cosine is a retrieval feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from benchmarks.deals import shuffled
from benchmarks.folders import COLLECTIONS
from relsearch.core.fields.template import render
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import SCALES, Pair
from relsearch.data.collection import FolderCollection
from relsearch.data.trec import read_qrels

TRAINING, TEST = ("trec-dl-2021", "llmjudge-dev"), "trec-dl-2019"
SCALE = SCALES["0-3"]
DEV_QUERIES = 16
E5 = EncoderConfig(model="intfloat/e5-small-v2", query_prefix="query: ", document_prefix="passage: ", max_tokens=256)
MINILM = EncoderConfig(max_tokens=256)


@dataclass(frozen=True)
class Labelled:
    """Pairs with their human grades."""

    pairs: list[Pair]
    grades: list[int]

    def of_queries(self, query_ids: set[str]) -> Labelled:
        """Return the part of these queries."""
        rows = [row for row, pair in enumerate(self.pairs) if pair.query_id in query_ids]
        return self.of_rows(rows)

    def of_rows(self, rows: Sequence[int]) -> Labelled:
        """Return these rows."""
        return Labelled([self.pairs[row] for row in rows], [self.grades[row] for row in rows])


def labelled(name: str) -> Labelled:
    """Return a collection's human-graded pairs in the order of query and document."""
    source = FolderCollection(COLLECTIONS / name, trec=False)
    texts = {document.doc_id: render(document.fields) for document in source.documents()}
    queries = {query.query_id: query.text for query in source.queries()}
    human = read_qrels(COLLECTIONS / name / "qrels.tsv", SCALE).sort("query_id", "doc_id")
    rows = list(human.select("query_id", "doc_id").iter_rows())
    return Labelled([Pair(query, doc, queries[query], texts[doc]) for query, doc in rows], human["grade"].to_list())


def training_halves() -> tuple[Labelled, Labelled]:
    """Return the pairs of the training queries, and of DEV_QUERIES held-out ones that judges are calibrated on."""
    parts = [labelled(name) for name in TRAINING]
    every = Labelled([p for part in parts for p in part.pairs], [g for part in parts for g in part.grades])
    queries = shuffled({pair.query_id for pair in every.pairs})
    return every.of_queries(set(queries[DEV_QUERIES:])), every.of_queries(set(queries[:DEV_QUERIES]))


def human_of(part: Labelled) -> pl.DataFrame:
    """The human judgments of these pairs as a table."""
    return pl.DataFrame(
        {
            "query_id": [pair.query_id for pair in part.pairs],
            "doc_id": [pair.doc_id for pair in part.pairs],
            "grade": pl.Series(part.grades, dtype=pl.Int32),
        }
    )
