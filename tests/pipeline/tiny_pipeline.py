"""The tables of `collect` and `pool` for a few queries, for tests of the stages after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.types import Candidate, Document, Judgment, Query
from relsearch.pipeline.stages.inputs import Artefacts

LABELLED = 4  # documents of each query, with grades 0 to 3


def lay_out(
    output: Path, splits: Mapping[str, str], documents: Sequence[Document], queries: Sequence[Query]
) -> Artefacts:
    """Write the artefacts of queries by their splits: each found all documents, people graded the first four."""
    artefacts = Artefacts(output)
    tables.write(tables.documents_table(documents), artefacts.path("collect", "documents.parquet"), tables.DOCUMENTS)
    rows = [(query.query_id, query.text, splits[query.query_id]) for query in queries]
    split = pl.DataFrame(rows, schema=dict(tables.QUERIES), orient="row")
    tables.write(split, artefacts.path("collect", "queries.parquet"), tables.QUERIES)
    human = tables.judgments_table(
        Judgment(query_id, document.doc_id, place, "human")
        for query_id in splits
        for place, document in enumerate(documents[:LABELLED])
    )
    for stage, name in (("collect", "qrels"), ("pool", "labels")):
        tables.write(human, artefacts.path(stage, f"{name}.parquet"), tables.JUDGMENTS)
    candidates = tables.candidates_table(
        Candidate(query_id, document.doc_id, -float(rank), rank, "bm25")
        for query_id in splits
        for rank, document in enumerate(documents, 1)
    )
    for name in ("candidates", "first_stage"):
        tables.write(candidates, artefacts.path("pool", f"{name}.parquet"), tables.CANDIDATES)
    return artefacts
