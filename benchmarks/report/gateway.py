"""The tables of the gateway: its delay, cold documents, partly read windows, real engines, other people's clients."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import section, table

Figures = dict[str, Any]


def gateway_overhead(figures: Figures) -> str:
    """What the gateway adds to a request that it passes through."""
    rows = [
        [engine, kind, *(f"{each[key]:.2f}" for key in ("direct_ms", "gateway_ms", "overhead_ms"))]
        for engine, found in figures["engines"].items()
        for kind, each in found["kinds"].items()
    ]
    cut = "; ".join(
        f"{engine} {each['slices_ms']:.2f} ms, written anew {each['anew_ms']:.2f} ms"
        for engine, each in figures["engines"].items()
        if "slices_ms" in each
    )
    return section(
        f"The gateway on untouched requests, medians of {figures['requests_of_a_kind']} interleaved pairs. "
        + (f"100 hits put in a new order as slices: {cut}. " if cut else "")
        + f"Searches lost while its reranker raised, hung or was slow: {figures['searches_lost']}.",
        table(["engine", "request", "direct, ms", "through it, ms", "added, ms"], rows),
        figures,
    )


def gateway_cold(figures: Figures) -> str:
    """What a gateway that has read nothing yet does for its first searches."""
    parts = [name for name in ("first_10", "11_50", "51_200") if f"ndcg10_{name}" in figures]
    rows = [
        [name.replace("_", " "), *(f"{figures[f'{key}_{name}']:g}" for key in ("read", "ndcg10", "ndcg10_engine"))]
        for name in parts
    ]
    many, sizes = figures["at_once"], ("idle", "50kb", "200kb", "1mb")
    health = ", ".join(f"{figures[f'health_p99_ms_{size}']:g} ms ({size})" for size in sizes)
    return section(
        f"A gateway without vectors, {figures['budget_ms']} ms a search, on scifact in Elasticsearch; "
        f"{figures['cores']} cores shared with the engine and with other work (load average "
        f"{figures['load_average_before']:g}). One user, a question every {figures['every_s']:g} s: reranked "
        f"{figures['reranked_share']:.0%}, p95 {figures['p95_ms']:g} ms. {many['users']} users at once: "
        f"{many['reranked_share']:.0%}, p95 {many['p95_ms']:g} ms, {many['errors']} errors. p99 of another client's "
        f"health request while 100 documents of a size are searched: {health}.",
        table(["searches", "read of 100", "NDCG@10", "engine's"], rows),
        figures,
    )


def partly_read(figures: Figures) -> str:
    """Ways to order a window of which only some hits were read."""
    ways = list(next(iter(next(iter(figures["collections"].values()))["ndcg10"].values())))
    rows = [
        [name, f"{found['ndcg10_engine']:.4f}", read, *(f"{value:.4f}" for value in values.values())]
        for name, found in figures["collections"].items()
        for read, values in found["ndcg10"].items()
    ]
    return section(
        f"Where only some of {figures['depth']} hits were read: they trade places among themselves, the engine's "
        "scores weighing more, the fewer were read (the gateway's way), or as the bundle mixes them; they come on top, "
        "or meet the expected score of the others. NDCG@10 of the ready bundle. How the engine's scores weigh was "
        "chosen with a view of these collections, so that the gateway's figures are somewhat too good.",
        table(["collection", "BM25", "read", *ways], rows),
        figures,
    )


def servers(figures: Figures) -> str:
    """Which real engines ran, and how many calls came back the same."""
    rows = [
        [name, each["version"], str(each["calls"]), str(each["passed"])] for name, each in figures["servers"].items()
    ]
    return section(
        "Recorded calls sent to real engines directly and through the gateway.",
        table(["engine", "version", "calls", "the same"], rows),
        figures,
    )


def compat(figures: Figures) -> str:
    """Which unmodified clients work, a row for each."""
    clients: dict[tuple[str, bool], list[dict[str, str]]] = {}
    for call in figures["calls"]:
        clients.setdefault((call["client"], call["works"]), []).append(call)
    rows = [
        [
            client,
            ", ".join(dict.fromkeys(call["version"] for call in calls)),
            "; ".join(dict.fromkeys(call["called"] for call in calls)),
            "yes" if works else f"no: {calls[0]['said'][:100]}",
        ]
        for (client, works), calls in clients.items()
    ]
    return section(
        f"Unmodified clients against the service and the gateway: {figures['works']} of {figures['of']} calls work.",
        table(["client", "version", "called", "works"], rows),
        figures,
    )
