"""Settings of what ships and how it is measured: bundles and their gates, measures and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from relsearch.core.settings.section import Outside, Section, renamed
from relsearch.core.types import MOST_RESAMPLES

Runtime = Literal["onnxruntime", "openvino"]


class ExportConfig(Section):
    """ONNX variants, the parity gate against torch, and the quality gate before a new reranker ships."""

    runtime: Runtime = Field("onnxruntime", description="what runs the bundle; openvino: int8 or bf16, needs the extra")
    max_ndcg_loss: float = Field(0.005, ge=0, description="relative loss of NDCG@10 that int8 or bf16 may cost")
    min_top10_overlap: float = Field(
        9.0, ge=0, le=10, description="documents of the first ten that int8 or bf16 must share with fp32, on average"
    )
    force: bool = Field(False, description="write int8 or bf16 though it fails the parity gate")
    half: bool = Field(False, description="also write OUTPUT-fp16, a bundle for CUDA and TensorRT")
    first_stage_weight: float = renamed(
        "first_stage_weight",
        was="mix",
        default=0.2,
        ge=0,
        description="weight of the first stage's scores in a bundle's (score interpolation); 0 for --model",
    )
    prf_weight: float = renamed(
        "prf_weight",
        was="feedback",
        default=0.5,
        ge=0,
        description="weight of likeness to the best candidates (pseudo-relevance feedback) in the scores of a "
        "late-interaction bundle",
    )
    quality_gate: Literal["refuse", "report", "off"] = renamed(
        "quality_gate",
        was="guard",
        default="refuse",
        description="refuse: a reranker that does not beat each baseline does not ship, and the run ends in an error "
        "after all stages; report: without an error; off: it ships. BM25's share and feedback count for the reranker, "
        "so that one that learnt nothing can pass",
    )
    quality_gate_margin: float = renamed(
        "quality_gate_margin",
        was="guard_margin",
        default=0.0,
        ge=0,
        description="dev NDCG@10 by which each baseline must be beaten",
    )
    quality_gate_p: float = renamed(
        "quality_gate_p",
        was="guard_p",
        default=0.1,
        ge=0.001,
        le=1,
        description="one-sided p of the paired test against each baseline, at most",
    )
    shipped: Annotated[Path | None, Outside()] = Field(
        None,
        description="the bundle in production, which a new one must beat: a folder or ready; by default the last one "
        "that was exported here",
    )


class EvaluateConfig(Section):
    """Measures in ir-measures notation, with levels of grades from 0; gates look at the first one."""

    measures: tuple[str, ...] = Field(
        (),
        description="by default nDCG@10, RR@10 and R@50 of relevant grades, without recall where pools are no deeper",
    )
    resamples: int = Field(2000, ge=100, le=MOST_RESAMPLES, description="bootstrap resamples of intervals and tests")
