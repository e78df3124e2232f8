"""benchmarks/README.md's tables, made from benchmarks/results/*.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.record import recorded
from benchmarks.report import judges, rerankers, serving

Part = Callable[[dict[str, Any]], str]


def tables() -> str:
    """Return every table as Markdown under its headings, each with the command that measures it."""
    return "\n".join(f"## {heading}\n{_of(parts)}" for heading, parts in PARTS.items())


def _of(parts: Mapping[str, tuple[Part, ...]]) -> str:
    return "\n".join(part(figures) for name, all_of in parts.items() if (figures := recorded(name)) for part in all_of)


PARTS: dict[str, dict[str, tuple[Part, ...]]] = {
    "Judges": {
        "judge_quality": (judges.judge_quality, judges.judge_gain, judges.judge_tuning),
        "judge_anchors": (judges.judge_anchors,),
        "judge_evidence": (judges.judge_evidence,),
        "judge_speed": (judges.judge_speed,),
        "judge_speed_avx512": (judges.judge_speed,),
    },
    "Rerankers": {
        "own_domain": (rerankers.own_domain,),
        "own_domain_french": (rerankers.own_domain,),
        "own_domain_scifact": (rerankers.own_domain,),
        "own_domain_few": (rerankers.own_domain_few,),
        "own_domain_few_french": (rerankers.own_domain_few,),
        "policies_cranfield": (rerankers.policies,),
        "policies_vaswani": (rerankers.policies,),
        "transfer": (rerankers.transfer,),
        "chain_trec_dl": (rerankers.chain,),
        "few_labels": (rerankers.few_labels,),
        "starts": (rerankers.starts,),
        "demo": (rerankers.demo,),
        "bm25": (rerankers.bm25,),
    },
    "At search time": {
        "rerank_speed": (serving.rerank_speed,),
        "rerank_speed_avx512": (serving.rerank_speed,),
        "rerank_budget": (serving.rerank_budget,),
        "cascade": (serving.cascade,),
        "stored_vectors": (serving.stored_vectors,),
        "serve_load": (serving.serve_load,),
        "serve_soak": (serving.serve_soak,),
        "gateway_overhead": (serving.gateway_overhead,),
        "servers": (serving.servers,),
    },
    "Odd inputs": {"odd_inputs": (serving.odd_inputs,)},
    "Size": {"footprint": (serving.footprint,)},
}
