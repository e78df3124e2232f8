"""The pages of benchmarks/*.md, whose tables are made from benchmarks/results/*.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.record import recorded
from benchmarks.report import calibration, cluster, gateway, growth, judges, rerankers, serving, training
from benchmarks.report.label_value import adapt, judged_pools, label_value, llm_reranks
from benchmarks.report.next_labels import next_labels
from benchmarks.report.transfer import of_another_encoder, transfer
from benchmarks.report.writers import writers

Part = Callable[[dict[str, Any]], str]


def tables(page: str) -> str:
    """Return a page's tables as Markdown under its headings, each with the command that measures it."""
    return "\n".join(f"## {heading}\n{_of(parts)}" for heading, parts in PAGES[page].items())


def _of(parts: Mapping[str, tuple[Part, ...]]) -> str:
    return "\n".join(part(figures) for name, all_of in parts.items() if (figures := recorded(name)) for part in all_of)


PAGES: dict[str, dict[str, dict[str, tuple[Part, ...]]]] = {
    "README": {
        "Judges": {"judge_quality": (judges.judge_quality,)},
        "Rerankers": {
            "own_domain": (rerankers.own_domain,),
            "own_domain_few": (rerankers.own_domain_few,),
            "judged_pools": (judged_pools,),
            "transfer": (transfer,),
        },
        "At search time": {"gateway_overhead": (gateway.gateway_overhead,)},
        "Odd inputs": {"odd_inputs": (serving.odd_inputs,)},
        "Size": {"footprint": (serving.footprint,)},
    },
    "judges": {
        "What each part adds": {"judge_quality": (judges.judge_gain, judges.judge_tuning)},
        "A closed LLM's labels": {"closed_labels": (judges.closed_labels,)},
        "A small LLM": {
            "llm_states": (judges.llm_states,),
            "llm_states_larger": (judges.llm_states,),
            "llm_tuned": (judges.llm_tuned, judges.judge_tuning),
        },
        "A few human grades a query": {"judge_anchors": (judges.judge_anchors,)},
        "Retrieval features alone": {"judge_evidence": (judges.judge_evidence,)},
        "Few human labels and many judged ones": {"ppi": (judges.ppi,)},
        "Without torch": {"judge_exported": (judges.judge_exported,)},
        "Speed": {"judge_speed": (judges.judge_speed,)},
    },
    "rerankers": {
        "Other collections": {
            "own_domain_french": (rerankers.own_domain,),
            "own_domain_scifact": (rerankers.own_domain,),
            "transfer_ready_multilingual": (of_another_encoder,),
            "own_domain_few_french": (rerankers.own_domain_few,),
        },
        "Augmentation": {
            "label_value": (label_value,),
            "adapt": (adapt,),
            "llm_reranks": (llm_reranks,),
            "policies_cranfield": (rerankers.policies,),
            "policies_vaswani": (rerankers.policies,),
        },
        "Which labels next": {"next_labels": (next_labels,)},
        "Reading only some candidates": {"reads": (rerankers.reads,)},
        "Written queries": {"writers": (writers,)},
        "TREC Deep Learning": {"chain_trec_dl": (rerankers.chain,), "starts": (rerankers.starts,)},
        "Calibration": {"calibration": (calibration.calibration,)},
        "Architectures": {"architectures": (rerankers.architectures,)},
        "The demo": {"demo": (rerankers.demo,)},
        "The first stage": {"bm25": (rerankers.bm25,)},
    },
    "serving": {
        "Speed": {
            "rerank_speed": (serving.rerank_speed,),
            "rerank_budget": (serving.rerank_budget,),
            "cascade": (serving.cascade,),
            "stored_vectors": (serving.stored_vectors,),
        },
        "The service": {
            "serve_load": (serving.serve_load,),
            "serve_soak": (serving.serve_soak,),
            "service_overload": (serving.service_overload,),
        },
        "The gateway and real engines": {
            "servers": (gateway.servers,),
            "gateway_cold": (gateway.gateway_cold,),
            "partly_read": (gateway.partly_read,),
        },
        "Reports and the web app": {"ui": (serving.ui,)},
    },
    "growth": {
        "Verbs": {"growth": (growth.growth,)},
        "Evaluation at the size of MS MARCO": {"evaluate": (growth.evaluate,)},
        "Many machines": {"ray": (cluster.ray,), "pairs_on_ray": (cluster.pairs_on_ray,)},
        "Training in several processes": {"torchrun": (training.torchrun,)},
    },
    "avx512": {
        "Judges": {"judge_speed_avx512": (judges.judge_speed,)},
        "Rerankers": {"rerank_speed_avx512": (serving.rerank_speed,)},
    },
}
