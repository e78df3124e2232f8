"""The tables and the plot of what judged labels are worth, beside few labels and beside none."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.report.markdown import p_text, section, table
from benchmarks.report.rerankers import SCORES

Figures = dict[str, Any]
_SHOWN = ("k labels", "judged pools", "synthetic queries", "both")


def label_value(figures: Figures) -> str:
    """Each arm by collection and number of labelled queries; gains pooled over collections; a plot of the means."""
    found = {(row["collection"], row["k"], row["arm"]): row["ndcg10"] for row in figures["rows"]}
    ks = sorted({k for _, k, _ in found if k is not None})
    names = list(figures["learnt"])
    rows = [
        [
            name,
            str(k),
            *(f"{found[name, None, arm]:.3f}" for arm in ("untrained cosine", "ready")),
            *(f"{found[name, k, arm]:.3f}" for arm in _SHOWN),
            f"{found[name, None, 'all labels']:.3f} ({figures['learnt'][name]})",
        ]
        for name in names
        for k in ks
    ]
    head = ["collection", "k", "untrained cosine", "ready", *_SHOWN, "all labels (queries)"]
    pooled = [
        [
            str(row["k"]),
            row["arm"],
            _gain(row),
            _gain(row["gap"]),
            _share(row["gap_closed"]),
            "" if row["labels_worth"] is None else f"{row['labels_worth']:g}",
        ]
        for row in figures["pooled"]
    ]
    gains = ["against k labels alone (p)", "all labels against k (p)"]
    pooled_head = ["k", "with", *gains, "of that gap", "worth labelled queries"]
    means = {arm: [sum(found[name, k, arm] for name in names) / len(names) for k in ks] for arm in _SHOWN}
    chart = [
        "```mermaid",
        "xychart-beta",
        f'  x-axis "labelled queries" {json.dumps([str(k) for k in ks])}',
        '  y-axis "NDCG@10, mean of the collections"',
        *(f"  line {json.dumps([round(value, 4) for value in values])}" for values in means.values()),
        "```",
    ]
    tested = ", ".join(f"{name} {count}" for name, count in figures["tested"].items())
    depths = ", ".join(f"{name} {depth}" for name, depth in figures["depths"].items())
    return section(
        "What judged and written queries add to k labelled ones, to a student that trains in a second: "
        "weights of the ready reranker's score, cosine, MaxSim, BM25 and feedback, and a matrix between the vectors of "
        "query and document, which are not computed again. Judged pools: those of the other training queries, by the "
        "student that learnt from the k labels (at 0, by the ready reranker). NDCG@10 of test queries "
        f"({tested}) over BM25's first ({depths}), {figures['seeds']} draws of k queries. Pooled: a bootstrap over "
        "collections, draws and queries; shares of a gap that is not significant are left out. The lines are the "
        "columns from k labels on, in their order.",
        "\n".join([table(head, rows), "", table(pooled_head, pooled), "", *chart]),
        figures,
    )


def judged_pools(figures: Figures) -> str:
    """What judged pools and all labels add where the chain trains the encoder, pooled over collections."""
    rows = [
        [SCORES[row["scores"]], _gain(row), _gain(row["gap"]), _share(row["gap_closed"])] for row in figures["rows"]
    ]
    tested = ", ".join(f"{name} {count}" for name, count in figures["tested"].items())
    return section(
        f"The same pooled over collections, the French one among them (test queries: {tested}): what judged pools, "
        f"and what all labels, add to {figures['k']} labelled queries. A bootstrap over collections and queries; "
        "shares of a gap that is not significant are left out.",
        table(["scores", "judged pools (p)", "all labels (p)", "of that gap"], rows),
        figures,
    )


def adapt(figures: Figures) -> str:
    """Each way to do better than the ready reranker without labels, by collection and pooled."""
    found = {(row["collection"], row["arm"]): row["ndcg10"] for row in figures["rows"]}
    pooled = {row["arm"]: _gain(row) for row in figures["pooled"]}
    names = list(figures["tested"])
    arms = list(dict.fromkeys(row["arm"] for row in figures["rows"]))
    rows = [[arm, *(f"{found[name, arm]:.3f}" for name in names), pooled.get(arm, "")] for arm in arms]
    return section(
        "No labels: the student of the table above learns the training queries' pools as a teacher orders them, the "
        "ready reranker, or its score and half a cosine of an encoder that it lacks. NDCG@10; pooled as above.",
        table(["reranker", *names, "against ready (p)"], rows),
        figures,
    )


def llm_reranks(figures: Figures) -> str:
    """What a judge on an LLM's states is worth to reranking, by the queries that it learnt from."""
    arms = list(figures["rows"][0]["ndcg10"])
    rows = [
        [
            str(row["k"]),
            *(f"{row['ndcg10'][arm]:.3f}" for arm in arms),
            *(_gain(row[key]) for key in ("over_ready", "over_labels")),
        ]
        for row in figures["rows"]
    ]
    head = ["k", *arms, "the judge against ready (p)", "judged pools against k labels (p)"]
    return section(
        f"A judge on the states of {figures['base']}, beside the ready reranker's score, that learns from the pools of "
        f"k labelled queries of {figures['collection']}: as a reranker, and as the teacher of the student above. "
        f"NDCG@10 of {figures['tested']} test queries over BM25's first {figures['depth']}, where the ready reranker "
        f"has {figures['ready']:.3f}; {figures['draws']} draws of k queries.",
        table(head, rows),
        figures,
    )


def _share(part: float | None) -> str:
    return "" if part is None else f"{part:.0%}"


def _gain(row: Figures) -> str:
    p = p_text(row["p"]).removeprefix("p ")
    return f"{row['gain']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] ({p})"
