"""Held-out pairs: scored while tuning goes on, and the data that calibration is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from relsearch.core.settings.config import Aim
from relsearch.core.types import Pair, Scale
from relsearch.judge.calibration.thresholds import fit_thresholds
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.prompt import Tokens
from relsearch.judge.tuning.quality import Quality, quality
from relsearch.judge.tuning.sample import natural_sample
from relsearch.judge.tuning.trainer import TunedModel
from relsearch.stats.ordinal import CumulativeLink

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DevSet:
    """Pairs at their natural frequencies with human grades and tokens, one entry per pair each.

    `known` has their retrieval features' scores.
    """

    pairs: Sequence[Pair]
    grades: Sequence[int]
    known: Scores
    tokens: Sequence[Tokens]
    scale: Scale

    def part(self, count: int, *, seed: int) -> DevSet:
        """Return a smaller set of at most `count` pairs, every query's share equal."""
        rows = natural_sample(self.pairs, count=count, seed=seed)
        return DevSet(
            [self.pairs[row] for row in rows],
            [self.grades[row] for row in rows],
            self.known[rows],
            [self.tokens[row] for row in rows],
            self.scale,
        )

    def scores(self, model: TunedModel, *, batch_size: int) -> Scores:
        """Return the model's score of each pair."""
        features = read_all(model.reader.features, self.tokens, batch_size=batch_size)
        with torch.inference_mode():
            device = model.head.thresholds.device
            scores = model.head(features.to(device), torch.from_numpy(self.known).to(device))
        return np.asarray(scores.double().cpu().numpy())

    def prior_scores(self, prior: CumulativeLink) -> Scores:
        """Return the score of each pair by its retrieval features alone."""
        return prior.logits(self.known)

    def table(self, scores: Scores) -> pl.DataFrame:
        """Return query_id, doc_id, grade and score of each pair."""
        ids = {name: [getattr(pair, name) for pair in self.pairs] for name in ("query_id", "doc_id")}
        return pl.DataFrame({**ids, "grade": self.grades, "score": scores})

    def thresholds(self, scores: Scores, *, aim: Aim, seed: int) -> tuple[float, ...]:
        """Return the thresholds between grades, on these scores, that serve the aim best."""
        query_ids = [pair.query_id for pair in self.pairs]
        return fit_thresholds(scores, self.grades, query_ids, self.scale, aim=aim, seed=seed)

    def measure(self, scores: Scores) -> Quality:
        """Return how well the scores follow the human grades."""
        return quality(scores, self.grades, [pair.query_id for pair in self.pairs], self.scale)
