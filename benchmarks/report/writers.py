"""The table of writers of queries."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import section, table

_STRUCTURE = ("titles", "phrases")


def writers(figures: dict[str, Any]) -> str:
    """Writers of queries: what they find, whose words they use, and what is kept."""
    head = [
        "collection",
        "writer",
        "queries of documents",
        "own document first, BM25",
        "in 10, BM25",
        "first, reranked",
        "in 10, reranked",
        "words of the document",
        "judged relevant",
        "kept",
        "kept an hour",
        "load",
    ]
    rows = []
    for cell, row in figures["rows"].items():
        name, writer = cell.split("/")
        shares = ("bm25_1", "bm25_10", "reranked_1", "reranked_10", "shared_words", "judged_relevant", "kept_share")
        rows.append(
            [
                name,
                writer,
                f"{row['distinct']} of {row['documents']}",
                *(f"{row[key]:.0%}" if key in row else "" for key in shares),
                "" if writer in _STRUCTURE or "kept_per_hour" not in row else f"{row['kept_per_hour']:,.0f}",
                f"{row['load']:.1f}" if "load" in row else "",
            ]
        )
    people = ", ".join(f"{share:.0%} in {name}" for name, share in figures["people"].items())
    about = (
        "Queries written from documents, one of each. A query is kept if its own document is among the first 10 of "
        "BM25's top 20 as the ready reranker orders them, and the ready judge grades it at least 2; the share is of "
        "documents. The other shares are of the distinct queries, after those that repeat the prompt's examples are "
        f"gone. Of the content words of people's queries, relevant documents have {people}. Load: mean number of "
        "processes that ran or waited on 2 cores in the minute before a cell ended."
    )
    return section(about, table(head, rows), figures)
