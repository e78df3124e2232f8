"""The tables of rerankers: trained on labels of one's own, on few, on none; the first stage and the demo."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import difference, interval, p_text, section, table
from relsearch.pipeline.demo.show import arm_names
from relsearch.pipeline.demo.study import HUMAN

Figures = dict[str, Any]
MEASURE = "nDCG@10"
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
SCORES = {"own": "own", "mixed": "BM25 mixed in", "shipped": "BM25 and feedback"}


def chain(figures: Figures) -> str:
    """The whole chain on TREC Deep Learning."""
    result, against = figures["result"], figures["against"]
    rows = []
    for run, values in result["runs"].items():
        cells = [f"cosine of {figures['encoder']}, untrained" if run == "cosine" else RUNS[run]]
        cells.append(interval(values[MEASURE]))
        for baseline in ("bm25", "cosine", "human_reranker"):
            test = against.get(baseline, {}).get(run)
            cells.append(difference(test[MEASURE]) if test else "")
        rows.append(cells)
    head = [
        f"TREC DL 2019, {result['queries']} queries",
        "NDCG@10 [95 % CI]",
        "against BM25 (p)",
        "against the cosine (p)",
        "against human (p)",
    ]
    agreement = figures["stages"]["agree"]["test"]
    pairs = [[name, interval(agreement[key], mean="value")] for key, name in AGREEMENT.items()]
    seen = [f"judge, {agreement['pairs']} pairs of {agreement['queries']} queries of TREC DL 2019", "value [95 % CI]"]
    return section(
        f"The chain on TREC Deep Learning: pools of 2022 judged by the {figures['judge']} judge, {figures['family']} "
        "reranker trained on 2021 and a part of 2023, BM25's top 100 of 2019 reranked. p: paired randomisation test, "
        "Holm-corrected.",
        f"{table(head, rows)}\n\n{table(seen, pairs)}",
        figures,
    )


def own_domain(figures: Figures) -> str:
    """Rerankers trained on a collection's own labels, cross-validated by query."""
    names = {
        "bm25": "BM25",
        "cosine": f"cosine of {figures['encoder']}, untrained",
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
            cells = [difference(test[MEASURE]) if test else "" for test in against]
            rows.append([collection, name, interval(found["runs"][run][MEASURE]), *cells])
    queries = ", ".join(f"{name} {found['queries']}" for name, found in collections.items())
    dealt = figures.get("dealt_by")
    way = f"{figures['folds']}-fold cross-validation by {dealt}" if dealt else "the collection's own split"
    return section(
        f"Trained on a collection's own labels: {way} ({queries}), {figures['steps']} steps, BM25's top 100 reranked, "
        "NDCG@10 [95 % CI]; differences with p of a paired randomisation test, Holm-corrected.",
        table(["collection", "run", "NDCG@10", *(f"against {names[name]}" for name in baselines)], rows),
        figures,
    )


def own_domain_few(figures: Figures) -> str:
    """Few labels of a collection's own, alone and with the other queries' pools judged."""
    rows = []
    for collection, found in figures["collections"].items():
        cosine = interval(found["cosine"]["runs"]["cosine"][MEASURE])
        for row in found["rows"]:
            human, augmented = (interval(row["runs"][run][MEASURE]) for run in ("human", "augmented"))
            test = row["against_first"]["augmented"][MEASURE]
            rows.append([collection, str(row["k"]), SCORES[row["scores"]], cosine, human, augmented, difference(test)])
    return section(
        f"Fewer labels of a collection's own, {figures['folds']} folds: k labelled queries alone, and with the pools "
        "of the fold's other queries graded by the reranker that learnt from those k, with BM25 and feedback. NDCG@10 "
        "[95 % CI]; p of a paired randomisation test.",
        table(["collection", "k", "scores", "untrained cosine", "human only", "augmented", "difference (p)"], rows),
        figures,
    )


def starts(figures: Figures) -> str:
    """Rerankers by what they start from."""
    from benchmarks.rerankers.starts import ARMS  # loads the pipeline

    rows = []
    kept = {name: value for name, value in figures["runs"].items() if name in ARMS or name not in figures["arms"]}
    for name, value in kept.items():
        arm, test = figures["arms"].get(name), figures["against_first"].get(name)
        steps = [str(arm["steps"]), str(arm["best_step"])] if arm else ["", ""]
        shown = RUNS.get(name, f"{name}, untrained") if arm is None else name
        rows.append([shown, *steps, interval(value[MEASURE]), difference(test[MEASURE]) if test else ""])
    first = next(iter(figures["runs"]))
    return section(
        f"Starts: MiniLM-L6, where no other base is named, trained for {figures['minutes']:g} minutes on one core on "
        "the human labels of TREC DL 2021 and a part of 2023, BM25's top 100 of 2019 reranked by its own scores. What "
        "lost stands in [decisions](../docs/decisions.md). p: "
        f"paired randomisation test, Holm-corrected over {len(figures['runs'])} runs.",
        table(["start", "steps", "kept step", "NDCG@10 [95 % CI]", f"against {first} (p)"], rows),
        figures,
    )


def policies(figures: Figures) -> str:
    """What each augmentation policy buys, what the filters leave, what rounds add."""
    rows = []
    for name, value in figures["runs"].items():
        test = figures["against_first"].get(name)
        rows.append([RUNS.get(name, name), interval(value[MEASURE]), difference(test[MEASURE]) if test else ""])
    first, stages = next(iter(figures["runs"])), figures["stages"]
    kept = [
        [source, *(str(each[key]) for key in ("written", "distinct", "round_trip", "relevant"))]
        for source, each in stages["synthesize"]["kept"].items()
    ]
    rounds = [
        [str(each["number"]), *(str(each[key]) for key in ("judged", "examples")), f"{each['ndcg10']:.4f}"]
        for each in stages["optimize"]["rounds"]
    ]
    found = stages["optimize"]["trials"]
    search = (
        f" A search over {found['finished'] + found['pruned']} settings came to {found['dev_ndcg10']:.4f}, "
        f"{found['dev_ndcg10_configured']:.4f} as configured."
        if found
        else ""
    )
    return section(
        f"Policies: {figures['labelled']} labelled queries of {figures['collection']}, the others' labels hidden, the "
        f"first {figures['depth']} of each pool graded by the reranker that learnt from people alone; NDCG@10 of the "
        "test queries with BM25 and feedback. p: "
        "paired randomisation test, Holm-corrected. Below: how many written queries each filter leaves; and the rounds "
        f"of `optimize`, by the dev queries (before them {stages['optimize']['dev_ndcg10_start']:.4f}).{search}",
        "\n\n".join(
            (
                table(["what joins the human labels", "NDCG@10 [95 % CI]", f"against {first} (p)"], rows),
                table(["queries from", "written", "distinct", "own document found", "judged relevant"], kept),
                table(["round", "newly judged", "examples", "dev NDCG@10"], rounds),
            )
        ),
        figures,
    )


def reads(figures: Figures) -> str:
    """The ready reranker where it reads only some of a query's candidates."""
    rows = []
    for name, found in figures["collections"].items():
        for run, values in found["runs"].items():
            test = found["against_first"].get(run)
            cells = [interval(values[MEASURE]), difference(test[MEASURE]) if test else ""]
            rows.append([name, str(found["queries"]), run, *cells])
    times, weights = figures["times_as_fast"], []
    for name, found in figures["collections"].items():
        for some, means in found["weights"].items():
            weights.append([name, some, *(f"{mean:.3f}" for mean in means.values())])
    starts = [f"from {weight}" for weight in next(iter(figures["collections"].values()))["weights"]["10"]]
    return section(
        f"The ready reranker as shipped over BM25's top {figures['depth']}, of which it reads all, the most promising "
        "(`rerank --read`) or the search's first. p: paired randomisation test, Holm-corrected. Reading "
        f"{figures['read']} promising ones takes 1/{times['median']:.1f} of the processor time of reading all (of "
        f"{figures['timed']} queries 1/{times['low']:.1f} to 1/{times['high']:.1f}), where none was read before. "
        "Below: NDCG@10 of the promising ones where BM25's weight falls from this to 0.2 as more are read; within a "
        "budget it falls from 0.6.",
        "\n\n".join(
            (
                table(["collection", "queries", "read", "NDCG@10 [95 % CI]", "against all (p)"], rows),
                table(["collection", "promising ones read", *starts], weights),
            )
        ),
        figures,
    )


def demo(figures: Figures) -> str:
    """The packaged demo."""
    counts, labelled = figures["counts"], figures["counts"]["labelled_queries"]
    names = arm_names(labelled)
    against = {test["arm"]: test for test in figures["tests"] if test["baseline"] == HUMAN}
    rows = []
    for arm, value in figures["arms"].items():
        test = against.get(arm)
        shown = test and f"{test['difference']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}] ({p_text(test['p'])})"
        rows.append([names[arm], interval(value), shown or ""])
    return section(
        "The packaged demo. Its grades were assigned by a language model: they show what the chain does and costs, not "
        f"how good it is for people. {figures['verdict']} It took {figures['seconds']} s, {figures['cpu_seconds']} CPU "
        f"seconds and {figures['peak_mb']} MB of memory.",
        table([f"demo, {counts['test_queries']} test queries", "NDCG@10 [95 % CI]", f"against {names[HUMAN]}"], rows),
        figures,
    )


def bm25(figures: Figures) -> str:
    """The first stage on whole collections."""
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


def architectures(figures: Figures) -> str:
    """Cross-encoders of every layout against CrossEncoder.predict."""
    rows = [
        [
            row["architecture"],
            row["layout"],
            "yes" if row["trains"] else "no",
            "yes" if row["exports"] else "no",
            row.get("last_layer", ""),
            *(f"{row[name]:.1g}" if name in row else "" for name in ("max_difference", "int8")),
        ]
        for row in figures["rows"]
    ]
    head = ["architecture", "layout", "trains", "exports", "last layer computes", "fp32", "int8"]
    return section(
        "Each architecture and layout, two layers and random weights: whether `relsearch train` starts on it, whether "
        f"`relsearch export --model` makes a bundle of it, and the largest difference of {figures['pairs']} pairs from "
        "what CrossEncoder.predict says, in standard deviations of its logits. int8 of 32 random dimensions is coarser "
        "than that of a trained model, which the gate measures on labelled pairs.",
        table(head, rows),
        figures,
    )
