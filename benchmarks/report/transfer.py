"""The tables of rerankers that nobody trained, on collections that they never saw."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import difference, interval, section, table

Figures = dict[str, Any]
MEASURE = "nDCG@10"


def transfer(figures: Figures) -> str:
    """The ready reranker on queries that it never saw."""
    rows = []
    for name, found in figures["collections"].items():
        cells = [interval(found["runs"][run][MEASURE]) for run in ("bm25", "cosine", "ready", "mixed", "shipped")]
        rows.append([name, str(found["queries"]), *cells])
    return section(
        "The ready reranker over BM25's top 100 for queries that it never saw, NDCG@10 [95 % CI]. What "
        "is added to its own scores was chosen on TREC DL 2021 and on scifact's training queries.",
        table(
            [
                "collection",
                "queries",
                "BM25",
                "cosine of e5-small-v2",
                "ready reranker, its own scores",
                "with BM25's scores mixed in",
                "and feedback, as shipped",
            ],
            rows,
        ),
        figures,
    )


def of_another_encoder(figures: Figures) -> str:
    """A bundle that `export --encoder` made of another encoder, beside the ready reranker."""
    rows = []
    for name, found in figures["collections"].items():
        runs = {**found["runs"], **found["against_ready"]["runs"]}
        cells = [interval(runs[run][MEASURE]) for run in ("bm25", "the ready reranker", "ready", "mixed", "shipped")]
        rows.append([name, *cells, difference(found["against_ready"]["against_first"]["shipped"][MEASURE])])
    head = [
        "its own scores",
        "with BM25's scores mixed in",
        "and feedback, as shipped",
        "against the ready reranker (p)",
    ]
    return section(
        "Without labels: multilingual-e5-small as `export --encoder` makes a bundle of it, over BM25's top 100 of all "
        "test queries, NDCG@10 [95 % CI]. cnil-fr is French, cranfield English.",
        table(["collection", "BM25", "ready reranker", *head], rows),
        figures,
    )
