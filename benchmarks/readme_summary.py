"""The few lines that stand before the README's tables, made from the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.record import recorded

Figures = dict[str, Any]
MEASURE = "nDCG@10"


def summary() -> str:
    """Return what the tables say in a line each."""
    lines = [line for name, part in _PARTS.items() if (figures := recorded(name)) for line in part(figures)]
    return "".join(f"- {line}\n" for line in lines)


def _own_domain(figures: Figures) -> Iterator[str]:
    for name, found in figures["collections"].items():
        learnt = round(found["queries"] * (1 - 1 / figures["folds"]))
        yield (
            f"**Labels of your own**, {name}, {learnt} labelled queries to learn from: NDCG@10 "
            f"{_step(found, 'trained_shipped')}; the untrained cosine has {_mean(found, 'cosine'):.3f}."
        )


def _own_domain_few(figures: Figures) -> Iterator[str]:
    for name, found in figures["collections"].items():
        for row in found["rows"]:
            if row["scores"] == "shipped":
                old, new = _mean(row, "human"), _mean(row, "augmented")
                p = row["against_first"]["augmented"][MEASURE]["p_holm"]
                yield (
                    f"**Few labels**, {name}, {row['k']} labelled queries: NDCG@10 {old:.3f} by these, {new:.3f} "
                    f"with judged pools of the others too ({new / old - 1:+.1%}, p {p:.3f})."
                )


def _transfer(figures: Figures) -> Iterator[str]:
    steps = "; ".join(f"{name} {_step(found, 'shipped')}" for name, found in figures["collections"].items())
    yield f"**No labels**, the ready reranker over BM25: {steps}."


def _judge_quality(figures: Figures) -> Iterator[str]:
    by_name = {row["name"]: row["kappa"]["value"] for row in figures["table"]}
    kappa = figures["shipped"]["kappa4"]["value"]
    yield (
        f"**The ready judge** agrees with people on TREC DL 2019 with a four-grade kappa of {kappa:.2f}, GPT-4's "
        f"published labels with {by_name['GPT-4, published']:.2f}, Llama-3-8B's with "
        f"{by_name['Llama-3-8B, published']:.2f}."
    )


def _rerank_speed(figures: Figures) -> Iterator[str]:
    yield (
        f"**Speed**, against sentence-transformers' `predict` on the same model and CPU: fp32 "
        f"{figures['fp32_ratio']:.1f} times, int8 {figures['int8_ratio']:.1f} times, late interaction with precomputed "
        f"documents {figures['precomputed_ratio']:.0f} times a cross-encoder of its size."
    )


def _step(found: Figures, run: str) -> str:
    """From BM25 to a run, by how much, and the p of the paired test."""
    old, new, test = _mean(found, "bm25"), _mean(found, run), found["against_first"][run][MEASURE]
    return f"{old:.3f} → {new:.3f} ({new / old - 1:+.0%}, p {test['p_holm']:.3f})"


def _mean(found: Figures, run: str) -> float:
    return float(found["runs"][run][MEASURE]["mean"])


_PARTS: dict[str, Callable[[Figures], Iterator[str]]] = {
    "own_domain": _own_domain,
    "own_domain_few": _own_domain_few,
    "transfer": _transfer,
    "judge_quality": _judge_quality,
    "rerank_speed": _rerank_speed,
}
