"""The tables of judges: agreement with people, what each part adds, speed."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import interval, p_text, section, table

Figures = dict[str, Any]


def judge_quality(figures: Figures) -> str:
    """Every judge against people."""
    head = ["judge", "kappa, 4 grades", "kappa, binary", "AUC", "AUC within query", "MAE", "tau of systems", "pairs"]
    keys = ("kappa", "kappa_binary", "auc", "auc_within_query", "mae", "tau_systems")
    rows = [
        [row["name"], *(interval(row[key], mean="value") if row[key] else "" for key in keys), f"{row['pairs']:,}"]
        for row in figures["table"]
    ]
    return section(
        "Judges against people on TREC DL 2019 [95 % CI, bootstrap over queries]. Tuned on 2021 and the dev half of "
        "2023; early stopping and calibration on held-out queries of these. Shipped: "
        f"{figures['shipped']['name']}; how reliable its probabilities are: "
        "[diagram](results/judge_reliability.svg).",
        table(head, rows),
        figures,
    )


def judge_gain(figures: Figures) -> str:
    """What a judge adds to another, on the same pairs."""
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


def judge_tuning(figures: Figures) -> str:
    """The evidence alone and the tuned judge, on held-out queries."""
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


def closed_labels(figures: Figures) -> str:
    """What a judge learns from a closed LLM's labels, and from people's."""
    keys = ("kappa", "kappa_binary", "auc", "auc_within_query")
    rows = [
        [
            f"{row['labels']}, {row['queries']} queries",
            f"{row['thresholds_by']}, {row['threshold_queries']}",
            *(f"{row[key]:.3f}" for key in keys),
        ]
        for row in figures["rows"]
    ]
    rows.append(["GPT-4 itself", "", *(f"{figures['published'][key]:.3f}" for key in keys)])
    head = ["learnt from", "thresholds by", "kappa, 4 grades", "kappa, binary", "AUC", "AUC within query"]
    over = figures["closed_over_people"]
    return section(
        f"A judge of the ready judge's retrieval features, fitted on {figures['training_pairs']:,} pairs of TREC DL "
        f"2021 and measured against people on {figures['test_pairs']:,} of 2019, all of BM25's top 100. Where queries "
        f"are drawn, the mean of {figures['draws']} draws. GPT-4's labels over people's, of all queries: AUC "
        f"{_gain(over['auc'])}, kappa {_gain(over['kappa'])}.",
        table(head, rows),
        figures,
    )


def llm_states(figures: Figures) -> str:
    """What the states of a small LLM add to retrieval features, by how many queries people graded."""
    keys, gains = ("kappa", "kappa_binary", "auc"), ("kappa", "auc", "log_likelihood")
    rows = [
        [
            str(row["queries"]),
            *(f"{row['features'][key]:.3f} → {row['with_states'][key]:.3f}" for key in keys),
            *(_gain(row["gain"][key]) for key in gains),
        ]
        for row in figures["rows"]
    ]
    head = ["graded queries", "kappa, 4 grades", "kappa, binary", "AUC", "kappa gained", "AUC", "log-likelihood a pair"]
    return section(
        f"Retrieval features alone → with the states of {figures['base']}, which nobody tuned: fitted on people's "
        f"grades of queries of TREC DL 2021, {figures['training_pairs']:,} pairs of all, and measured against people "
        f"on {figures['test_pairs']:,} pairs of 2019. Queries, and those of them that set the thresholds, are drawn "
        f"{figures['draws']} times: figures and ends of 95 % intervals (bootstrap over queries) are means, p is the "
        "median; it is 1 where states explain the grades that set the thresholds no better, and are left out.",
        table(head, rows),
        figures,
    )


def llm_tuned(figures: Figures) -> str:
    """What a small LLM adds to retrieval features where people's labels tune it."""
    keys = ("kappa", "kappa_binary", "auc", "auc_within_query")
    rows = [
        [row["name"], *(interval(row[key], mean="value") for key in keys), f"{row['pairs']:,}"]
        for row in figures["table"]
    ]
    head = ["judge", "kappa, 4 grades", "kappa, binary", "AUC", "AUC within query", "pairs"]
    return section(
        f"{figures['base']} with LoRA adapters on its top {figures['layers']} layers, which learns from pairs of TREC "
        "DL 2021 and the dev half of 2023 what retrieval features miss, measured against people on TREC DL 2019 "
        "[95 % CI, bootstrap over queries]. Where it explains the grades of held-out queries no better, the gate "
        "leaves it out: then its labels are those of the features, with thresholds of its own.",
        table(head, rows),
        figures,
    )


def judge_anchors(figures: Figures) -> str:
    """What a few human grades of a query do for its other labels."""
    keys = ("kappa", "kappa_binary", "auc", "mae")
    rows = [
        [
            row["labels"],
            *(interval(row[key], mean="value") for key in keys),
            _gain(row["gain"]["kappa"]) if "gain" in row else "",
            f"{row['pairs']:,}",
        ]
        for row in figures["table"]
    ]
    head = ["labels", "kappa, 4 grades", "kappa, binary", "AUC", "MAE", "kappa over the judge alone", "pairs"]
    return section(
        f"The ready judge on TREC DL 2019, its labels calibrated on a few human grades of the same query "
        f"(`grade --qrels`), on the query's other pairs. Random grades: {figures['draws']} draws, of which the pairs "
        "are the sum; reviewed ones: those that `review` asks for.",
        table(head, rows),
        figures,
    )


def judge_evidence(figures: Figures) -> str:
    """What evidence knows without a tuned model."""
    keys = ("log_likelihood", "kappa", "kappa_binary", "auc", "within_query_auc")
    rows = [[row["evidence"], *(f"{row[key]:.3f}" for key in keys)] for row in figures["table"]]
    return section(
        f"Evidence alone, cross-validated by query over the {figures['pairs']:,} pairs of the training years.",
        table(["evidence", "log-likelihood", "kappa", "binary", "AUC", "within query"], rows),
        figures,
    )


def ppi(figures: Figures) -> str:
    """What judged labels of many queries add to human ones of few."""
    head = [
        "collection",
        "judge",
        "of",
        "queries of both",
        "judged alone",
        "held",
        "held, human alone",
        "width",
        "worth",
    ]
    rows = [
        [
            *(str(row[key]) for key in ("collection", "judge", "of", "both", "judged")),
            *(f"{row[key]:.3f}" for key in ("coverage", "coverage_alone")),
            f"{row['width_ratio']:.2f}",
            f"{row['worth']:.0f} queries",
        ]
        for row in figures["rows"]
    ]
    return section(
        f"`relsearch evaluate --judgments`: {figures['measure']} of runs and differences of pairs of runs, with human "
        "and judged labels of some queries and a judge's labels alone of others. Drawn from queries that people "
        f"labelled, so that the truth is known, {figures['draws']:,} times a row: how often the 95 % interval held it, "
        "its width beside that of human labels alone, and the labelled queries that it would take to be as narrow.",
        table(head, rows),
        figures,
    )


def judge_exported(figures: Figures) -> str:
    """The ready judge's graphs compared with the same judge in torch."""
    faster, rate = figures["faster"], figures["pairs_per_s"]
    rows = [[name, interval(figures["kappa"][name], mean="value"), f"{rate[name]:.1f}"] for name in ("torch", "onnx")]
    return section(
        f"The ready judge as ONNX graphs and in torch, {figures['pairs']} pairs of {figures['queries']} queries of "
        f"{figures['test']}: {figures['same_grades']:.1%} of the grades are the same, and expected grades differ by "
        f"{figures['expected_mean_difference']:.3f} in the mean. A query with one and then with the other, the graphs "
        f"take 1/{faster['value']:.1f} of the time (from 1/{faster['low']:.1f} to 1/{faster['high']:.1f}).",
        table(["runtime", "kappa, 4 grades", "pairs a second"], rows),
        figures,
    )


def judge_speed(figures: Figures) -> str:
    """Judging and tuning against the naive way."""
    from benchmarks.judges.speed.__main__ import section as rows  # loads torch

    return section(
        f"Judging and tuning against the naive way, {figures['threads']} threads ({', '.join(figures['cpu_flags'])}), "
        f"{figures['dtype']}, prompts of {figures['tokens']['prompt']:.0f} tokens of which "
        f"{figures['tokens']['prefix']:.0f} are shared by a query's documents.",
        table(*rows(figures)),
        figures,
    )


def _gain(test: Figures) -> str:
    return f"{test['value']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}] ({p_text(test['p'])})"
