"""relsearch.toml as frozen models: one section a stage, all of them importable from here.

Secrets never stand in the file: an engine's come from RELSEARCH_ES_API_KEY, or RELSEARCH_ES_USER and
RELSEARCH_ES_PASSWORD, a remote judge's from RELSEARCH_JUDGE_API_KEY.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from relsearch.core.measures import default_measures
from relsearch.core.scale import parse_scale
from relsearch.core.settings.collection import CollectionConfig as CollectionConfig
from relsearch.core.settings.collection import EncoderConfig as EncoderConfig
from relsearch.core.settings.collection import IndexConfig as IndexConfig
from relsearch.core.settings.collection import PoolConfig as PoolConfig
from relsearch.core.settings.collection import Unjudged as Unjudged
from relsearch.core.settings.export import EvaluateConfig as EvaluateConfig
from relsearch.core.settings.export import ExportConfig as ExportConfig
from relsearch.core.settings.export import Runtime as Runtime
from relsearch.core.settings.judge import Aim as Aim
from relsearch.core.settings.judge import JudgeConfig as JudgeConfig
from relsearch.core.settings.judge import LabelConfig as LabelConfig
from relsearch.core.settings.judge import RemoteConfig as RemoteConfig
from relsearch.core.settings.judge import RetrievalFeature as RetrievalFeature
from relsearch.core.settings.judge import TuneConfig as TuneConfig
from relsearch.core.settings.run import RunConfig as RunConfig
from relsearch.core.settings.section import Section
from relsearch.core.settings.synthesize import SynthesizeConfig as SynthesizeConfig
from relsearch.core.settings.train import AugmentConfig as AugmentConfig
from relsearch.core.settings.train import OptimizeConfig as OptimizeConfig
from relsearch.core.settings.train import Policy as Policy
from relsearch.core.settings.train import TrainConfig as TrainConfig
from relsearch.core.types import LARGEST_SEED, Scale


class Config(Section):
    """A whole relsearch.toml."""

    seed: int = Field(13, ge=0, le=LARGEST_SEED, description="seed of every draw: splits, samples, training")
    output: Path = Field(Path("runs/relsearch"), description="folder of the stages' artefacts")
    run: RunConfig = Field(RunConfig(), description="where work is done: here or on a Ray cluster")
    collection: CollectionConfig = Field(CollectionConfig(), description="documents, queries and human labels")
    index: IndexConfig = Field(IndexConfig(), description="the searchers that fill the pools")
    pool: PoolConfig = Field(PoolConfig(), description="depth of the pools, and the split of the queries")
    encoder: EncoderConfig = Field(EncoderConfig(), description="the dense encoder that judge and reranker start from")
    judge: JudgeConfig = Field(JudgeConfig(), description="the judge's model and what it reads")
    label: LabelConfig = Field(LabelConfig(), description="who labels the pools, and how much of them")
    remote: RemoteConfig = Field(RemoteConfig(), description="a judge behind an OpenAI-compatible endpoint")
    tune: TuneConfig = Field(TuneConfig(), description="tuning of the judge")
    synthesize: SynthesizeConfig = Field(SynthesizeConfig(), description="queries written from documents")
    augment: AugmentConfig = Field(AugmentConfig(), description="which judged labels join the human ones")
    train: TrainConfig = Field(TrainConfig(), description="training of the reranker")
    optimize: OptimizeConfig = Field(OptimizeConfig(), description="rounds of judging and the search for settings")
    export: ExportConfig = Field(ExportConfig(), description="bundles and the gates before they ship")
    evaluate: EvaluateConfig = Field(EvaluateConfig(), description="measures and intervals")

    @model_validator(mode="after")
    def _the_reranker_reads_no_windows(self) -> Self:
        if (
            any(name.split(":")[0] == "reranker" for name in self.label.judges)
            and self.label.window_characters is not None
        ):
            raise ValueError(
                "[label] window_characters: a reranker reads as much as it was made for; drop it or change the judge"
            )
        return self

    @property
    def judge_encoder(self) -> EncoderConfig:
        """The encoder whose cosine the judge starts from."""
        return self.judge.encoder or self.encoder

    @property
    def judge_encoders(self) -> tuple[EncoderConfig, ...]:
        """All encoders of the judge's retrieval features, the first first."""
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
