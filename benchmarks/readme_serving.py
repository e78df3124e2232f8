"""The README's tables of what happens at search time: few labels, speed, service, gateway, real engines."""

from __future__ import annotations

from typing import Any

from benchmarks.readme_parts import section, table

Figures = dict[str, Any]
STUDENTS = {"minilm": "MiniLM-L6", "e5": "e5-small-v2"}


def few_labels(figures: Figures) -> str:
    """Human labels alone against human and judged ones, by the number of labelled queries."""
    rows = [
        [
            str(row["k"]),
            *(f"{row[key]:.3f}" for key in ("human_only", "augmented")),
            f"{row['relative']:+.1%}",
            f"{row['p']:.3f}",
        ]
        for row in figures["rows"]
    ]
    every = figures["every_label"]
    rows.append([f"{every['k']}, all", f"{every['human_only']:.3f}", "", "", ""])
    student, pairs = STUDENTS[figures["student"]], f"{figures['judged_pairs']:,} pairs"
    return section(
        f"Few labels: NDCG@10 on TREC DL 2019 of {student}, tuned on k labelled queries alone and with the pools of "
        f"{figures['judged_queries']} more that the ready judge graded ({pairs}); untrained it has "
        f"{figures['untrained']:.3f}. {figures['seeds']} draw(s) of queries, {figures['steps']} steps each, paired "
        "t-test over queries.",
        table(["labelled queries", "human only", "augmented", "relative", "p"], rows),
        figures,
    )


def stored_vectors(figures: Figures) -> str:
    """What a search waits for its documents' vectors."""
    rows = [
        [name, way, f"{ms:,.1f}", f"{size:,}" if (size := found["bytes_a_document"].get(way)) else ""]
        for name, found in figures["engines"].items()
        for way, ms in found["ms"].items()
    ]
    return section(
        f"Vectors of {figures['candidates']} documents that no cache holds, median of {figures['searches']} searches.",
        table(["engine beside", "vectors", "ms a search", "bytes a document"], rows),
        figures,
    )


def rerank_speed(figures: Figures) -> str:
    """Reranking against the usual ways, on the same model and texts."""
    rows = []
    for load in figures["loads"]:
        for name, ratio in load["ratio"].items():
            seconds = load["seconds"][name]["value"]
            candidates = f"{load['candidates']} x {load['tokens']:.0f}"
            rows.append([candidates, name, f"{1000 * seconds:,.0f}", _ratio(ratio)])
    share = ", ".join(f"{kind} {value:.0%}" for kind, value in figures["share_of_peak"].items())
    late = _precomputed(figures) if "precomputed" in figures else ""
    return section(
        f"Reranking on {figures['threads']} threads ({', '.join(figures['cpu_flags'])}), {figures['model']}; times are "
        f"against sentence-transformers' `predict` [lowest, highest of {figures['rounds']} rounds]. Share of this "
        f"machine's peak of matrix products: {share}.{late}",
        table(["candidates x tokens", "way", "ms", "times"], rows),
        figures,
    )


def _precomputed(figures: Figures) -> str:
    found = figures["precomputed"]
    loss = f", NDCG@10 loss {figures['precomputed_ndcg_loss']:.2%}" if "precomputed_ndcg_loss" in figures else ""
    ratios = "; ".join(
        f"{name}: {_ratio(ratio)} times" for name, ratio in found["ratio"].items() if "late interaction" in name
    )
    return f" Against a cross-encoder of the same base, {ratios}; {found['bytes_a_document']:,} bytes a document{loss}."


def rerank_budget(figures: Figures) -> str:
    """Quality against the time that a search may take."""
    rows = [[f"{row['budget_ms']:g}", f"{row['reached']:.0f}", f"{row['ndcg10']:.3f}"] for row in figures["curve"]]
    return section(
        f"Within a budget: NDCG@10 on TREC DL 2019, {figures['depth']} candidates, {figures['variant']}.",
        table(["budget, ms", "candidates read", "NDCG@10"], rows),
        figures,
    )


def serve_load(figures: Figures) -> str:
    """The service beside a plain server on the same model."""
    rows = []
    for server, name in (("plain", "FastAPI + sentence-transformers"), ("relsearch", "relsearch serve")):
        for row in figures[server]["clients"]:
            cells = [f"{row[key]:,.1f}" for key in ("requests_per_s", "p50_ms", "p95_ms", "p99_ms")]
            rows.append([name, str(row["clients"]), "yes" if row["busy"] else "no", *cells, str(row["errors"])])
    return section(
        f"The service, {figures['documents_per_request']} documents a request, {figures['cores']} cores shared with "
        "the clients.",
        table(["server", "clients", "busy neighbour", "requests/s", "p50 ms", "p95 ms", "p99 ms", "errors"], rows),
        figures,
    )


def serve_soak(figures: Figures) -> str:
    """A long steady load."""
    rows = [
        ["answered", f"{figures['soak_answered']:,}"],
        ["refused (429)", f"{figures['soak_refused']:,}"],
        ["errors", str(figures["soak_errors"])],
        ["memory, all of it", f"{figures['soak_growth_mb']:+.1f} MB"],
        ["memory, second half", f"{figures['soak_growth_second_half_mb']:+.1f} MB"],
    ]
    return section(
        f"The service for {figures['soak_minutes']:g} minutes at {figures['share']:.0%} of saturation "
        f"({figures['saturated_per_s']:g} requests/s of {figures['documents_per_request']} documents, "
        f"{figures['cores']} core(s) shared with the clients), bundle {figures['bundle']}.",
        table(["what", "how many"], rows),
        figures,
    )


def serve_fuzz(figures: Figures) -> str:
    """Malformed requests."""
    statuses = ", ".join(f"{status}: {count:,}" for status, count in figures["statuses"].items())
    rows = [
        ["requests", f"{figures['requests_fuzzed']:,}"],
        ["status 500 and above", str(figures["status_500"])],
        ["hangs", str(figures["hangs"])],
        ["answers", statuses],
        ["memory", f"{figures['memory_growth_mb']:+.1f} MB"],
    ]
    return section("The service under seeded random bodies.", table(["what", "how many"], rows), figures)


def gateway_overhead(figures: Figures) -> str:
    """What the gateway adds to a request that it passes through."""
    rows = [
        [engine, kind, *(f"{each[key]:.2f}" for key in ("direct_ms", "gateway_ms", "overhead_ms"))]
        for engine, found in figures["engines"].items()
        for kind, each in found["kinds"].items()
    ]
    return section(
        f"The gateway on untouched requests, medians of {figures['requests_of_a_kind']} interleaved pairs. Searches "
        f"lost while its reranker raised, hung or was slow: {figures['searches_lost']}.",
        table(["engine", "request", "direct, ms", "through it, ms", "added, ms"], rows),
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


def judge_losses(figures: Figures) -> str:
    """The judge's losses on held-out queries."""
    keys = ("log_likelihood", "auc", "within_query_auc")
    rows = [
        [row["loss"], f"{row['listwise_weight']:g}", *(f"{row['tuned'][key]:.3f}" for key in keys)]
        for row in figures["table"]
    ]
    return section(
        "Losses of the encoder judge, the same minutes each, on held-out training queries.",
        table(["pointwise loss", "weight of the listwise term", "log-likelihood", "AUC", "within query"], rows),
        figures,
    )


def _ratio(ratio: Figures) -> str:
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def transfer(figures: Figures) -> str:
    """The ready reranker on queries that it never saw."""
    rows = []
    for name, found in figures["collections"].items():
        cells = [_interval(found["runs"][run]["nDCG@10"]) for run in ("bm25", "cosine", "ready", "mixed", "shipped")]
        rows.append([name, str(found["queries"]), *cells])
    return section(
        "The ready reranker over BM25's top 100 for queries that it never saw, NDCG@10 [95 % CI]. What "
        "weighs beside its own scores was chosen on TREC DL 2021 and on scifact's training queries.",
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


def own_domain(figures: Figures) -> str:
    """Rerankers trained on a collection's own labels, cross-validated by query."""
    names = {
        "bm25": "BM25",
        "cosine": "cosine of e5-small-v2, untrained",
        "ready": "ready reranker, its own scores",
        "trained": "trained reranker, its own scores",
        "ready_mixed": "ready reranker, BM25 mixed in",
        "trained_mixed": "trained reranker, BM25 mixed in",
        "ready_shipped": "ready reranker, BM25 and feedback",
        "trained_shipped": "trained reranker, BM25 and feedback",
    }
    collections = figures["collections"]
    baselines = ("bm25", "cosine", "ready_mixed", "trained_mixed", "ready_shipped")
    rows = []
    for collection, found in collections.items():
        tests = {"bm25": found["against_first"], **found["against"]}
        for run, name in names.items():
            against = [tests[baseline].get(run) for baseline in baselines]
            cells = [
                f"{test['nDCG@10']['difference']:+.3f} ({test['nDCG@10']['p_holm']:.3f})" if test else ""
                for test in against
            ]
            rows.append([collection, name, _interval(found["runs"][run]["nDCG@10"]), *cells])
    queries = ", ".join(f"{name} {found['queries']}" for name, found in collections.items())
    return section(
        f"Trained on a collection's own labels: {figures['folds']}-fold cross-validation by query ({queries}), "
        f"{figures['steps']} steps, BM25's top 100 reranked, NDCG@10 [95 % CI]; differences with p of a paired "
        "randomisation test, Holm-corrected.",
        table(["collection", "run", "NDCG@10", *(f"against {names[name]}" for name in baselines)], rows),
        figures,
    )


_SCORES = {"own": "own", "mixed": "BM25 mixed in", "shipped": "BM25 and feedback"}


def own_domain_few(figures: Figures) -> str:
    """Few labels of a collection's own, alone and with the other queries' pools judged."""
    rows = []
    for collection, found in figures["collections"].items():
        cosine = _interval(found["cosine"]["runs"]["cosine"]["nDCG@10"])
        for row in found["rows"]:
            human, augmented = (_interval(row["runs"][run]["nDCG@10"]) for run in ("human", "augmented"))
            test = row["against_first"]["augmented"]["nDCG@10"]
            difference = f"{test['difference']:+.3f} ({test['p_holm']:.3f})"
            rows.append([collection, str(row["k"]), _SCORES[row["scores"]], cosine, human, augmented, difference])
    return section(
        f"Fewer labels of a collection's own, {figures['folds']} folds: k labelled queries alone, and with the pools "
        "of the fold's other queries graded by the reranker that learnt from those k, with BM25 and feedback. NDCG@10 "
        "[95 % CI]; p of a paired randomisation test.",
        table(["collection", "k", "scores", "untrained cosine", "human only", "augmented", "difference (p)"], rows),
        figures,
    )


def _interval(value: Figures) -> str:
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
