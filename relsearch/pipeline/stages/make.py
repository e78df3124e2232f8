"""The stage that makes queries: write them from documents, filter them, label them with the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple
from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.display.text_table import table
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import Config
from relsearch.core.types import Document, Pair, Query
from relsearch.data.duplicates import HELD_OUT
from relsearch.data.pool import union, whole_pools
from relsearch.index.registry import open_searcher
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools
from relsearch.synthesis import structure
from relsearch.synthesis.synthesize import (
    FilterCounts,
    Written,
    distinct,
    diverse,
    filter_counts,
    identified,
    labelled,
    passed,
    round_trip,
    sample,
    texts_of,
    to_judge,
)

_PAIR = ["query_id", "doc_id"]


def synthesize(config: Config, work: Building, *, pools: Pools, artefacts: Artefacts) -> None:
    """Write queries from diverse documents; keep those that find their document and that the judge calls relevant."""
    from relsearch.pipeline.stages.judges import judge_of

    collected = pools.collected
    seeds = _seeds(config, collected, vectors=artefacts.vectors)
    written = identified(_written(config, collected, seeds, store=artefacts.written))
    known = collected.queries.filter(pl.col("split").is_in([*HELD_OUT, "train", "unlabelled"]))["text"]
    unlike = distinct(written, known, threshold=config.pool.near_duplicate)
    runs = _search(config, unlike, artefacts)
    pool = union(runs, config.pool.depth)
    found = round_trip(unlike, pool, depth=config.synthesize.round_trip_depth)
    wanted = to_judge(found, pool, collected.doc_ids, config.synthesize, seed=config.seed)
    judge = judge_of(config, pools=pools.searched(runs[0]), artefacts=artefacts)
    context = pool.filter(pl.col("rank") <= config.label.depth)
    graded = passed(_judged(judge, found, wanted, context, collected, store=artefacts.judgments), config.scale)
    judgments = labelled(graded, config.synthesize, config.scale)
    left = set(graded["query_id"])
    relevant = [query for query in found if query.query_id in left]
    tables.write(judgments, work.directory / "judgments.parquet", tables.JUDGMENTS)
    rows = [(query.query_id, query.text, "synthetic", query.doc_id, query.source) for query in relevant]
    schema = {**tables.QUERIES, "doc_id": pl.String, "source": pl.String}
    tables.write(pl.DataFrame(rows, schema=schema, orient="row"), work.directory / "queries.parquet", tables.QUERIES)
    counts = filter_counts((written, unlike, found, relevant), sources=config.synthesize.sources)
    work.figures |= {
        "documents": len(seeds),
        "queries": len(relevant),
        "pairs": judgments.height,
        "roles": dict(judgments.group_by("role").len().sort("role").iter_rows()),
        "kept": {row.source: asdict(row) for row in counts},
        "table": _table(counts),
    }


def _seeds(config: Config, collected: Collected, *, vectors: Path) -> list[Document]:
    """Documents from as many clusters, of a sample where there are many."""
    from relsearch.encoders.encoder import load_encoder

    ids = sample(collected.doc_ids, config.synthesize.sample, seed=config.seed)
    texts = collected.texts(ids)
    encoder = load_encoder(config.encoder, keep=vectors)
    encoded = encoder.encode_documents([texts[doc_id] for doc_id in ids])
    chosen = [ids[row] for row in diverse(encoded, config.synthesize.documents, seed=config.seed)]
    documents = {document.doc_id: document for document in collected.documents(chosen)}
    return [documents[doc_id] for doc_id in chosen]


def _written(
    config: Config, collected: Collected, seeds: Sequence[Document], *, store: Path
) -> list[tuple[str, str, str]]:
    each = config.synthesize.queries_per_document
    rendered = collected.texts(document.doc_id for document in seeds)
    texts = [rendered[document.doc_id] for document in seeds]
    rows: list[tuple[str, str, str]] = []
    for source in config.synthesize.sources:
        if source == "llm":
            from relsearch.synthesis.writer.causal import QueryWriter
            from relsearch.synthesis.writer.store import write_all

            writer = QueryWriter(config.synthesize, seed=config.seed)
            found = list(
                write_all(
                    writer.write,
                    texts,
                    store,
                    fingerprint=writer.fingerprint,
                    total=len(texts),
                    at_once=writer.texts_at_once,
                )
            )
        elif source == "phrases":
            found = structure.phrases(texts, each)
        else:
            read = structure.titles if source == "titles" else structure.headings
            found = [read(document)[:each] for document in seeds]
        rows += [(text, doc.doc_id, source) for doc, queries in zip(seeds, found, strict=True) for text in queries]
    return rows


def _search(config: Config, written: Sequence[Written], artefacts: Artefacts) -> list[pl.DataFrame]:
    """The run of each searcher, as deep as pools are."""
    queries = [Query(query.query_id, query.text) for query in written]
    searchers = (
        open_searcher(name, artefacts.path("index", name), index=config.index, encoder=config.encoder)
        for name in config.index.searchers
    )
    return [tables.candidates_table(searcher.search(queries, config.pool.depth)) for searcher in searchers]


def _judged(
    judge: Judge,
    written: Sequence[Written],
    wanted: pl.DataFrame,
    pool: pl.DataFrame,
    collected: Collected,
    *,
    store: Path,
) -> pl.DataFrame:
    """Judgments of the source documents and of possible negatives, in their pools, with the role of each pair."""
    from relsearch.judge.store.judgment_store import judge_all

    whole = whole_pools(pool, wanted)
    texts, queries = collected.texts(whole["doc_id"]), texts_of(written)
    pairs = [Pair(query, doc, queries[query], texts[doc]) for query, doc in whole.iter_rows()]
    judged = judge_all(judge, pools_of(pairs), store, wanted=set(wanted.select(_PAIR).iter_rows()))
    return wanted.join(judged, on=_PAIR, maintain_order="left").select(*tables.JUDGMENTS, "role").drop_nulls("grade")


def _table(counts: Sequence[FilterCounts]) -> str:
    headers = ["queries from", "written", "distinct", "own document found", "judged relevant"]
    return table(headers, [[str(cell) for cell in astuple(row)] for row in counts])
