"""The tables of what happens at search time: speed and the service; of reports and pages, odd inputs, and size."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import difference, interval, section, table

Figures = dict[str, Any]


def rerank_speed(figures: Figures) -> str:
    """Reranking against the usual ways, on the same model and texts."""
    rows = []
    for load in figures["loads"]:
        for name, ratio in load["ratio"].items():
            seconds = load["seconds"][name]["value"]
            candidates = f"{load['candidates']} x {load['tokens']:.0f}"
            rows.append([candidates, name, f"{1000 * seconds:,.0f}", _ratio(ratio)])
    late = _precomputed(figures) if "precomputed" in figures else ""
    losses = _fewer_bits(figures) if "parity" in figures else ""
    return section(
        f"Reranking on {figures['threads']} threads ({', '.join(figures['cpu_flags'])}), {figures['model']}; times are "
        f"against sentence-transformers' `predict` [lowest, highest of {figures['rounds']} rounds].{late}",
        table(["candidates x tokens", "way", "ms", "times"], rows) + losses,
        figures,
    )


def _fewer_bits(figures: Figures) -> str:
    rows = [
        [
            name,
            f"{found['ndcg10_reference']:.3f}",
            f"{found['ndcg10_candidate']:.3f}",
            f"{found['ndcg_loss']:.2%}",
            f"{found['top10_overlap']:.2f}",
        ]
        for name, found in figures["parity"].items()
    ]
    head = [
        f"a trained cross-encoder on {figures['parity_labels']}",
        "NDCG@10, fp32",
        "NDCG@10",
        "loss",
        "top-10 overlap",
    ]
    return f"\n\n{table(head, rows)}"


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


def cascade(figures: Figures) -> str:
    """A cheap reranker, a dear one, and the dear one for the head of the cheap one's order."""
    rows = []
    for way, values in figures["runs"].items():
        test = figures["against_first"].get(way)
        gain = difference(test["nDCG@10"]) if test else ""
        rows.append([way, f"{1000 * figures['seconds'][way]:,.0f}", interval(values["nDCG@10"]), gain])
    return section(
        "A cascade (`--cascade`) over BM25's top 100 of TREC DL 2019, int8, documents known: the cross-encoder is "
        f"`{figures['model']}` of the starts. ms: median a query, interleaved; p: paired randomisation test, "
        "Holm-corrected.",
        table(["way", "ms", "NDCG@10 [95 % CI]", "against the ready reranker (p)"], rows),
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
        table(["engine on the same machine", "vectors", "ms a search", "bytes a document"], rows),
        figures,
    )


def serve_load(figures: Figures) -> str:
    """The service compared with a plain server on the same model."""
    latencies = ("requests_per_s", "p50_ms", "p95_ms", "p99_ms")
    clients, offered = [], []
    for server, name in (("plain", "FastAPI + sentence-transformers"), ("relsearch", "relsearch serve")):
        for row in figures[server]["clients"]:
            cells = [f"{row[key]:,.1f}" for key in latencies]
            clients.append([name, str(row["clients"]), "yes" if row["busy"] else "no", *cells, str(row["errors"])])
        for row in figures[server]["offered"]:
            cells = [f"{row[key]:,.1f}" for key in ("offered_per_s", *latencies)]
            offered.append([name, f"{row['share']:.0%}", *cells, str(row["refused"]), str(row["errors"])])
    measured = ["requests/s", "p50 ms", "p95 ms", "p99 ms"]
    return section(
        f"The service, {figures['documents_per_request']} documents a request, {figures['cores']} cores shared with "
        f"the clients, {figures['seconds']:g} s each: clients that wait for their answers, then requests at random "
        "times, at shares of the rate that eight clients reached.",
        table(["server", "clients", "busy neighbour", *measured, "errors"], clients)
        + "\n\n"
        + table(["server", "share", "offered/s", *measured, "refused", "errors"], offered),
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


def service_overload(figures: Figures) -> str:
    """What more users than the service can read for get of it."""
    rows = [
        [
            way,
            str(row["users"]),
            f"{row['good_per_s']:g}",
            f"{row['read_share']:.0%}",
            str(row["refused"]),
            str(row["errors"]),
        ]
        for way, found in figures["ways"].items()
        for row in found
    ]
    least = ", ".join(f"{share:g} ({way})" for way, share in figures["least_over_one_user"].items())
    return section(
        f"The service asked for more than it can read: {figures['documents_per_request']} new documents a request, "
        f"{figures['cores']} cores shared with the users and with other work (load average "
        f"{figures['load_average_after']:g}). whole: all documents within {figures['budget_ms']['whole'] / 1000:g} s, "
        f"or none; partly: what can be read in {figures['budget_ms']['partly'] / 1000:g} s. Fewest answers a second of "
        f"several users over those of one: {least}.",
        table(["way", "users", "answers/s in time", "read", "refused (429)", "errors"], rows),
        figures,
    )


def ui(figures: Figures) -> str:
    """What people look at."""
    rows = [
        ["a report on 200 queries and 3 runs", f"{figures['report_s']:.1f} s, {figures['report_mb']:.2f} MB"],
        ["first screen of `relsearch ui --demo`", f"{figures['first_screen_s']:.1f} s"],
        ["a compare page, p50 and p95", f"{figures['compare_p50_ms']} ms, {figures['compare_p95_ms']} ms"],
        ["serious findings of axe, report and app", f"{figures['axe_serious']}, {figures['axe_serious_app']}"],
        [
            f"grades lost, the server killed after {figures['kills']} of {figures['grades']}",
            str(figures["grades_lost"]),
        ],
    ]
    return section("Reports and the web app on two cores, from a fresh process.", table(["what", ""], rows), figures)


def odd_inputs(figures: Figures) -> str:
    """Files and arguments that were not meant so."""
    rows = [
        ["inputs tried", f"{figures['tried']:,}"],
        ["tracebacks", str(figures["tracebacks"])],
        ["files changed or lost", str(figures["files_changed"])],
        ["peak memory of `evaluate`, 8,000 queries", f"{figures['evaluate_mb_8000']} MB"],
    ]
    return section(
        "Every reader and every verb on odd files and arguments: a result or one line, and no file that was there "
        "changes. `evaluate`: 2 runs of 100 documents a query.",
        table(["what", "how many"], rows),
        figures,
    )


def footprint(figures: Figures) -> str:
    """How large the project is."""
    lines = ", ".join(f"{folder}/ {count:,}" for folder, count in figures["code_lines"].items())
    rows = [
        *([f"`import {name}`", f"{value} s of a processor"] for name, value in figures["import_cpu_s"].items()),
        *installs(figures),
        ["lines of code", lines],
        ["tests", str(figures["tests"])],
    ]
    return section(
        "What an import costs, what an install takes on disk, and how long the code is.",
        table(["what", "how much"], rows),
        figures,
    )


def installs(figures: Figures) -> list[list[str]]:
    """Return a row for each install that was measured: the command, and what it takes on disk."""
    return [[f"`pip install '{name}'`", f"{value:,} MB"] for name, value in figures["install_mb"].items()]


def _ratio(ratio: Figures) -> str:
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"
