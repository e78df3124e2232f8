"""The README's result tables, made from benchmarks/results/*.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import readme_serving as serving
from benchmarks.readme_parts import section, table
from benchmarks.readme_summary import summary
from benchmarks.record import recorded

Figures = dict[str, Any]
RUNS = {
    "bm25": "BM25",
    "cosine": "cosine of MiniLM-L6, untrained",
    "judge_cosine": "cosine of e5-small-v2, untrained",
    "human_reranker": "reranker, human labels only",
    "augmented_reranker": "reranker, human and judged labels",
}
AGREEMENT = {
    "kappa": "Cohen's kappa, four grades",
    "kappa_binary": "Cohen's kappa, grade >= 2",
    "kappa_quadratic": "quadratic kappa",
    "alpha_ordinal": "Krippendorff's ordinal alpha",
    "mae": "mean absolute error, grades",
    "auc": "AUC at grade >= 2",
}


def tables() -> str:
    """Return the summary and every table as Markdown, each table with the command that measures it."""
    return "\n".join([summary(), *(part(figures) for name, part in PARTS.items() if (figures := recorded(name)))])


def _chain(figures: Figures) -> str:
    result, against = figures["result"], figures["against"]
    rows = []
    for run, values in result["runs"].items():
        cells = [f"cosine of {figures['encoder']}, untrained" if run == "cosine" else RUNS[run]]
        cells.append(_interval(values["nDCG@10"]))
        for baseline in ("bm25", "cosine", "human_reranker"):
            test = against.get(baseline, {}).get(run)
            cells.append(_difference(test["nDCG@10"]) if test else "")
        rows.append(cells)
    head = [
        f"TREC DL 2019, {result['queries']} queries",
        "NDCG@10 [95 % CI]",
        "against BM25 (p)",
        "against the cosine (p)",
        "against human (p)",
    ]
    agreement = figures["stages"]["agree"]["test"]
    pairs = [[name, _interval(agreement[key], mean="value")] for key, name in AGREEMENT.items()]
    seen = [f"judge, {agreement['pairs']} pairs of {agreement['queries']} queries of TREC DL 2019", "value [95 % CI]"]
    return section(
        f"The chain on TREC Deep Learning: pools of 2022 judged by the {figures['judge']} judge, {figures['family']} "
        "reranker trained on 2021 and a part of 2023, BM25's top 100 of 2019 reranked. p: paired randomisation test, "
        "Holm-corrected.",
        f"{table(head, rows)}\n\n{table(seen, pairs)}",
        figures,
    )


def _judge_quality(figures: Figures) -> str:
    head = ["judge", "kappa, 4 grades", "kappa, binary", "AUC", "AUC within query", "MAE", "tau of systems", "pairs"]
    keys = ("kappa", "kappa_binary", "auc", "auc_within_query", "mae", "tau_systems")
    rows = [
        [row["name"], *(_interval(row[key], mean="value") if row[key] else "" for key in keys), f"{row['pairs']:,}"]
        for row in figures["table"]
    ]
    return section(
        "Judges against people on TREC DL 2019 [95 % CI, bootstrap over queries]. Tuned on 2021 and the dev half of "
        "2023; early stopping and calibration on held-out queries of these. Shipped: "
        f"{figures['shipped']['name']}; how reliable its probabilities are: "
        "[diagram](benchmarks/results/judge_reliability.svg).",
        table(head, rows),
        figures,
    )


def _judge_tuning(figures: Figures) -> str:
    rows = []
    for name, report in figures["tuning"].items():
        before, after = report["evidence_alone"], report["tuned"]
        cells = [f"{before[key]:.3f} → {after[key]:.3f}" for key in ("log_likelihood", "auc", "within_query_auc")]
        rows.append([name, *cells, f"{report['pairs']:,}", f"{report['seconds'] / 60:.0f}"])
    head = ["judge", "log-likelihood a pair", "AUC", "AUC within query", "pairs learnt from", "minutes"]
    return section(
        "What tuning adds to the evidence, on the held-out queries that early stopping looked at.",
        table(head, rows),
        figures,
    )


def _judge_gain(figures: Figures) -> str:
    rows = [
        [
            each["judge"],
            each["over"],
            *(_gain(each[key]) for key in ("auc", "kappa", "log_likelihood")),
            f"{each['pairs']:,}",
        ]
        for each in figures["contributions"]
    ]
    head = ["judge", "over", "AUC", "kappa", "log-likelihood a pair", "pairs"]
    return section(
        "What each judge adds, on the same pairs (p: paired bootstrap over queries).", table(head, rows), figures
    )


def _judge_evidence(figures: Figures) -> str:
    keys = ("log_likelihood", "kappa", "kappa_binary", "auc", "within_query_auc")
    rows = [[row["evidence"], *(f"{row[key]:.3f}" for key in keys)] for row in figures["table"]]
    return section(
        f"Evidence alone, cross-validated by query over the {figures['pairs']:,} pairs of the training years.",
        table(["evidence", "log-likelihood", "kappa", "binary", "AUC", "within query"], rows),
        figures,
    )


def _judge_speed(figures: Figures) -> str:
    from benchmarks.judge_speed import section as rows  # loads torch

    return section(
        f"Judging and tuning against the naive way, {figures['threads']} threads, {figures['dtype']}, prompts of "
        f"{figures['tokens']['prompt']:.0f} tokens of which {figures['tokens']['prefix']:.0f} are shared by a query's "
        "documents.",
        table(*rows(figures)),
        figures,
    )


def _demo(figures: Figures) -> str:
    names = {
        "bm25": RUNS["bm25"],
        "cosine": RUNS["cosine"],
        "human_only": "reranker, the demo's grades only",
        "augmented": "reranker, the demo's grades and judged labels",
    }
    rows = [
        [names[arm], f"{mean:.3f} [{low:.3f}, {high:.3f}]"]
        for (arm, mean), (low, high) in zip(figures["ndcg10"].items(), figures["ndcg10_interval"].values(), strict=True)
    ]
    return section(
        f"The packaged demo, {figures['seconds']} s and {figures['peak_mb']} MB of memory. Its grades were assigned by "
        "a language model: they show that the chain works, not how good it is.",
        table(["demo, 48 test queries", "NDCG@10 [95 % CI]"], rows),
        figures,
        command="make demo",
    )


def _bm25(figures: Figures) -> str:
    engines = {"embedded": "embedded", "lucene": "Lucene", "elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}
    rows = []
    for name in ("cranfield", "vaswani", "scifact"):
        found = figures[name]
        values = (f"{found[engine]['ndcg10_sources_kept']:.3f}" if engine in found else "" for engine in engines)
        rows.append([name, *values, f"{found['reference']:.3f}"])
    return section(
        "BM25 (k1 0.9, b 0.4) on complete collections, NDCG@10.",
        table(["collection", *engines.values(), "reference"], rows),
        figures,
    )


def _footprint(figures: Figures) -> str:
    lines = ", ".join(f"{folder}/ {count:,}" for folder, count in figures["code_lines"].items())
    rows = [
        ["`import relsearch.cli`", f"{figures['import_cli_s']} s"],
        ["install for reranking", f"{figures['serving_install_mb']} MB"],
        ["lines of code", lines],
        ["tests", str(figures["tests"])],
    ]
    return section("Size.", table(["what", "how much"], rows), figures)


def _interval(value: Figures, *, mean: str = "mean") -> str:
    return f"{value[mean]:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _difference(test: Figures) -> str:
    return f"{test['difference']:+.3f} ({test['p_holm']:.3f})"


def _gain(test: Figures) -> str:
    return f"{test['value']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}] (p {test['p']:.3f})"


PARTS: dict[str, Callable[[Figures], str]] = {
    "judge_quality": lambda figures: "\n".join(part(figures) for part in (_judge_quality, _judge_gain, _judge_tuning)),
    "judge_evidence": _judge_evidence,
    "judge_losses": serving.judge_losses,
    "judge_speed": _judge_speed,
    "chain_trec_dl": _chain,
    "few_labels": serving.few_labels,
    "own_domain": serving.own_domain,
    "own_domain_few": serving.own_domain_few,
    "transfer": serving.transfer,
    "demo": _demo,
    "rerank_speed": serving.rerank_speed,
    "rerank_budget": serving.rerank_budget,
    "stored_vectors": serving.stored_vectors,
    "serve_load": serving.serve_load,
    "serve_soak": serving.serve_soak,
    "serve_fuzz": serving.serve_fuzz,
    "gateway_overhead": serving.gateway_overhead,
    "servers": serving.servers,
    "bm25": _bm25,
    "footprint": _footprint,
}
