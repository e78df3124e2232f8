"""The tables of the README and of docs/choosing.md, made from the same files as those of benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.record import recorded
from benchmarks.report.markdown import p_text, table

Figures = dict[str, Any]
Row = tuple[str, str, str, str, str]
MEASURE = "nDCG@10"
NAIVE, PRECOMPUTED = "sentence-transformers", "late interaction, documents precomputed"


def headline() -> str:
    """Return a table, a row a collection: NDCG@10 of BM25, of the ready reranker, and of trained ones."""
    rows = [
        [name, *(f"{value:.3f}" if value is not None else "" for value in columns)]
        for name, columns in _collections().items()
    ]
    head = ["NDCG@10", "BM25", "ready, no labels", "10 labelled queries", "10 and judged pools", "all labelled queries"]
    return table(head, rows) + "\n"


def summary(*names: str) -> str:
    """Return the rows of these result files, of those there are."""
    rows = [row for name in names if (figures := recorded(name)) for row in _PARTS[name](figures)]
    return table(["what", "measured on", "against", "relsearch", "difference"], rows) + "\n"


def _collections() -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for name, runs in _runs("own_domain", "own_domain_scifact", "own_domain_french"):
        found[name] = [_mean(runs, "bm25"), _mean(runs, "ready_shipped"), None, None, _mean(runs, "trained_shipped")]
    for name, runs in _runs("own_domain_few", "own_domain_few_french"):
        [few] = [row for row in runs["rows"] if (row["k"], row["scores"]) == (10, "shipped")]
        found[name][2:4] = [_mean(few, arm) for arm in ("human", "augmented")]
    for name, runs in _runs("transfer"):
        found.setdefault(name, [_mean(runs, "bm25"), *[None] * 4])[1] = _mean(runs, "shipped")
    return found


def _runs(*names: str) -> Iterator[tuple[str, Figures]]:
    for name in names:
        if figures := recorded(name):
            yield from figures["collections"].items()


def saved() -> str:
    """Return a line a collection: what few labels and judged pools come to, and what labels alone do."""
    lines = []
    for kind in ("", "_french"):
        few, whole = recorded(f"own_domain_few{kind}"), recorded(f"own_domain{kind}")
        if few and whole:
            lines += [_saved(name, found["rows"], whole) for name, found in few["collections"].items()]
    if value := recorded("judged_pools"):
        lines.append(_judged_pools(value))
    if value := recorded("label_value"):
        lines.append(_pooled(value))
    return "\n".join(lines) + "\n"


def _saved(name: str, rows: list[Figures], whole: Figures) -> str:
    shipped, every = [row for row in rows if row["scores"] == "shipped"], whole["collections"][name]
    alone = [(row["k"], _mean(row, "human")) for row in shipped]
    alone.append((every["learnt"], _mean(every, "trained_shipped")))
    first, told = shipped[0], ", ".join(f"{value:.3f} with {k}" for k, value in alone)
    judged = f"{first['k']} labelled queries and judged pools come to {_mean(first, 'augmented'):.3f}"
    return f"- On {name}, {judged}; human labels alone to {told}."


def _judged_pools(figures: Figures) -> str:
    row = next(row for row in figures["rows"] if row["scores"] == "shipped")
    return (
        f"- Pooled over {len(figures['tested'])} collections, judged pools add {_pooled_gain(row)} to {figures['k']} "
        f"labelled queries ({p_text(row['p'])}), all labels {_pooled_gain(row['gap'])} ({p_text(row['gap']['p'])})."
    )


def _pooled_gain(row: Figures) -> str:
    return f"{row['gain']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _pooled(figures: Figures) -> str:
    row = next(row for row in figures["pooled"] if (row["k"], row["arm"]) == (10, "judged pools"))
    gain = _pooled_gain(row)
    return (
        f"- To a student that trains in a second, judged pools add {gain} to 10 labelled queries, pooled over "
        f"{len(figures['learnt'])} collections ({p_text(row['p'])})."
    )


def _own_domain(figures: Figures) -> Iterator[Row]:
    for name, found in figures["collections"].items():
        yield (
            f"reranker trained on {found['learnt']} labelled queries",
            f"{name}, NDCG@10",
            *_step(found, "trained_shipped"),
        )


def _own_domain_few(figures: Figures) -> Iterator[Row]:
    for name, found in figures["collections"].items():
        for row in found["rows"]:
            if row["scores"] == "shipped":
                old, new = _mean(row, "human"), _mean(row, "augmented")
                p = row["against_first"]["augmented"][MEASURE]["p_holm"]
                yield (
                    f"{row['k']} labelled queries and judged pools",
                    f"{name}, NDCG@10",
                    f"the {row['k']} alone {old:.3f}",
                    f"{new:.3f}",
                    f"{new / old - 1:+.1%} ({p_text(p)})",
                )


def _transfer(figures: Figures) -> Iterator[Row]:
    for name, found in figures["collections"].items():
        yield ("ready reranker, no labels", f"{name}, NDCG@10", *_step(found, "shipped"))


def _of_another_encoder(figures: Figures) -> Iterator[Row]:
    for name, found in figures["collections"].items():
        runs, test = found["against_ready"]["runs"], found["against_ready"]["against_first"]["shipped"][MEASURE]
        old, new = (runs[run][MEASURE]["mean"] for run in ("the ready reranker", "shipped"))
        step = f"{new / old - 1:+.0%} ({p_text(test['p_holm'])})"
        yield ("multilingual-e5-small, no labels", f"{name}, NDCG@10", f"`ready` {old:.3f}", f"{new:.3f}", step)


def _judge_quality(figures: Figures) -> Iterator[Row]:
    kappas = {row["name"]: row["kappa"]["value"] for row in figures["table"]}
    peers = ", ".join(f"{name} {kappas[f'{name}, published']:.3f}" for name in ("Llama-3-8B", "GPT-4"))
    kappa = figures["shipped"]["kappa4"]["value"]
    yield ("ready judge", "trec-dl-2019, kappa of four grades", peers, f"{kappa:.3f}", "")


def _judge_anchors(figures: Figures) -> Iterator[Row]:
    rows = {row["labels"]: row for row in figures["table"]}
    alone, measured = rows["judge alone"], "trec-dl-2019, kappa of four grades"
    peer = f"GPT-4 {rows['GPT-4, published']['kappa']['value']:.3f}"
    for count in (3, 5, 10):
        row = rows[f"{count} random grades a query"]
        old, new, p = alone["kappa"]["value"], row["kappa"]["value"], row["gain"]["kappa"]["p"]
        against, gained = f"alone {old:.3f}, {peer}", f"{new / old - 1:+.0%} ({p_text(p)})"
        yield (f"ready judge and {count} human grades a query", measured, against, f"{new:.3f}", gained)


def _llm_states(figures: Figures) -> Iterator[Row]:
    row, peer = figures["rows"][-1], (recorded("closed_labels") or {}).get("published", {})
    for name, key in (("AUC", "auc"), ("kappa of four grades", "kappa")):
        old, new = (row[judge][key] for judge in ("features", "with_states"))
        yield (
            f"judge on {figures['base'].partition('/')[2]}, {row['queries']} graded queries",
            f"trec-dl-2019, BM25's top 100, {name}",
            f"retrieval features {old:.3f}, GPT-4 {peer[key]:.3f}",
            f"{new:.3f}",
            f"{new / old - 1:+.0%} ({p_text(row['gain'][key]['p'])})",
        )


def _rerank_speed(figures: Figures) -> Iterator[Row]:
    first = figures["loads"][0]
    load = f"{first['candidates']} documents of {first['tokens']:.0f} tokens"
    for way in (way for way in first["seconds"] if way.startswith("relsearch ")):
        ms = [1000 * first["seconds"][each]["value"] for each in (NAIVE, way)]
        times = f"{first['ratio'][way]['value']:.1f} times"
        name = f"cross-encoder, {way.removeprefix('relsearch ')}"
        yield (name, load, f"{NAIVE} {ms[0]:,.0f} ms", f"{ms[1]:,.0f} ms", times)
    if "precomputed" in figures:
        ms = [1000 * figures["precomputed"]["seconds"][way] for way in (NAIVE, PRECOMPUTED)]
        times = f"{figures['precomputed_ratio']:.0f} times"
        yield (PRECOMPUTED, load, f"{NAIVE} {ms[0]:,.0f} ms", f"{ms[1]:,.1f} ms", times)


def _step(found: Figures, run: str) -> tuple[str, str, str]:
    """BM25 and the untrained cosine, a run, by how much it is better than BM25, and the p of the paired test."""
    old, new, test = _mean(found, "bm25"), _mean(found, run), found["against_first"][run][MEASURE]
    return (
        f"BM25 {old:.3f} (cosine {_mean(found, 'cosine'):.3f})",
        f"{new:.3f}",
        f"{new / old - 1:+.0%} ({p_text(test['p_holm'])})",
    )


def _mean(found: Figures, run: str) -> float:
    return float(found["runs"][run][MEASURE]["mean"])


_PARTS: dict[str, Callable[[Figures], Iterator[Row]]] = {
    "own_domain": _own_domain,
    "own_domain_scifact": _own_domain,
    "own_domain_french": _own_domain,
    "own_domain_few": _own_domain_few,
    "own_domain_few_french": _own_domain_few,
    "transfer": _transfer,
    "transfer_ready_multilingual": _of_another_encoder,
    "judge_quality": _judge_quality,
    "judge_anchors": _judge_anchors,
    "llm_states_larger": _llm_states,
    "rerank_speed": _rerank_speed,
}
